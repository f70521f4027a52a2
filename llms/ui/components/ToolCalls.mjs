// The tools that an answer called: name and state in one line, arguments and result behind it.

import { html } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { Icon } from "./Icon.mjs";

const STATES = { running: "tool.running", waiting: "tool.waiting", done: "tool.done", failed: "tool.failed", denied: "tool.denied" };

// calls: [{id, name, arguments: text, result: text or null, state}].
export function ToolCalls({ calls }) {
  return calls.map((call) => html`<${ToolCall} key=${call.id} ...${call} />`);
}

function ToolCall({ name, arguments: given, result, state }) {
  return html`<div class="tool-call" data-state=${state}>
    <details>
      <summary>
        <${Icon} name="wrench" class="small" />
        <span class="tool-name truncate">${name}</span>
        ${STATES[state] && html`<span class="badge">${t(STATES[state])}</span>`}
        <${Icon} name="chevron-right" class="small" />
      </summary>
      <div class="tool-detail">
        <${Block} label=${t("tool.arguments")} text=${indented(given)} />
        ${result !== null && html`<${Block} label=${t("tool.result")} text=${indented(result)} />`}
      </div>
    </details>
  </div>`;
}

function Block({ label, text }) {
  return html`<div>
    <p class="quiet">${label}</p>
    <pre dir="ltr" tabindex="0" role="region" aria-label=${label}>${text || "–"}</pre>
  </div>`;
}

// JSON in lines; anything else as it came, half an object too.
function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
