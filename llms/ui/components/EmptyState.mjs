// A conversation that has not begun: a greeting above the composer; below it ways to begin, and what is ready to answer.

import { html } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { models, modelsState } from "../api/models.mjs";
import { begin } from "./composing.mjs";
import { Icon } from "./Icon.mjs";
import { go } from "./places.mjs";
import { openSurface } from "./shell.mjs";
import { keysOf } from "./shortcuts.mjs";

const STARTERS = [
  { icon: "code", name: "code" },
  { icon: "pencil", name: "write" },
  { icon: "scale", name: "decide" },
];

export function Greeting() {
  const isMissing = modelsState.value.state === "read" && !models.value.some((model) => model.isChat);
  return html`<div class="column">
    <div class="empty-state">
      <h2 class="greeting">${t("empty.greeting")}</h2>
      ${isMissing && html`<p class="greeting-note">${t("model.none")}. ${t("model.noneHint")}</p>`}
    </div>
  </div>`;
}

export function Starters() {
  const canCompare = models.value.filter((model) => model.isChat).length > 1;
  return html`<div class="below column">
    <div class="starters">
      ${STARTERS.map(
        ({ icon, name }) => html`<${Starter} key=${name} icon=${icon} name=${name} onClick=${() => begin(t(`empty.${name}Prompt`))} />`,
      )}
      ${canCompare && html`<${Starter} icon="columns-2" name="compare" onClick=${() => go("#/compare")} />`}
    </div>
    <${Health} />
  </div>`;
}

function Starter({ icon, name, onClick }) {
  return html`<button type="button" class="starter" onClick=${onClick}>
    <${Icon} name=${icon} />
    <span class="starter-title">${t(`empty.${name}Title`)}</span>
    <span class="starter-text">${t(`empty.${name}Text`)}</span>
  </button>`;
}

function Health() {
  const { state } = modelsState.value;
  return html`<div class="health-line">
    ${state === "failed" && html`<span><span class="dot bad" />${t("error.network")}</span>`}
    ${providersOf(models.value).map(
      ({ provider, count, isDown }) => html`<span key=${provider}><span class=${`dot ${isDown ? "bad" : "good"}`} />${t("empty.providerReady", { provider, count })}</span>`,
    )}
    <button type="button" class="link" onClick=${() => openSurface("settings", { section: "providers" })}>${t("provider.add")}</button>
    <span><kbd class="kbd">${keysOf("palette")}</kbd>${t("empty.everything")}</span>
  </div>`;
}

// Each provider with how many models it brings; it is down when none of them can be used.
function providersOf(list) {
  const found = new Map();
  for (const { provider, state } of list) {
    if (!provider) continue;
    const entry = found.get(provider) ?? { provider, count: 0, down: 0 };
    found.set(provider, { provider, count: entry.count + 1, down: entry.down + (state === "unavailable" || state === "failed" ? 1 : 0) });
  }
  return [...found.values()].map(({ down, ...entry }) => ({ ...entry, isDown: down === entry.count }));
}
