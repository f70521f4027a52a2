// The providers of the server: how they are, on and off, their keys, and which could be added.

import { t } from "../../i18n/t.mjs";
import { html, useEffect, useState } from "../../view.mjs";
import { Icon } from "../Icon.mjs";
import { Heading } from "./controls.mjs";
import { KeyForm } from "./KeyForm.mjs";
import { ProviderRow } from "./ProviderRow.mjs";
import { addable, providers, readProviders } from "./server.mjs";

const AGAIN = 5000; // milliseconds; the server hears of its providers now and then

export function Panel() {
  useEffect(() => {
    const timer = setInterval(() => document.hidden || readProviders().catch(() => {}), AGAIN);
    return () => clearInterval(timer);
  }, []);
  const rows = providers.value ?? [];
  const [open, setOpen] = useState(null);
  const toggle = (name) => setOpen(open === name ? null : name);
  return html`<${Heading} text=${t("provider.configured")} />
    ${rows.length === 0 && html`<p class="empty-note">${t("provider.none")}</p>`}
    <ul>
      ${rows.map((row) => html`<${ProviderRow}
        key=${row.name}
        row=${row}
        isOpen=${open === row.name}
        onToggle=${() => toggle(row.name)}
      />`)}
    </ul>
    ${addable.value.length > 0 && html`<${Heading} text=${t("provider.addable")} />`}
    <ul class="addable">
      ${addable.value.map((row) => html`<${AddableRow}
        key=${row.name}
        row=${row}
        isOpen=${open === `+${row.name}`}
        onToggle=${() => toggle(`+${row.name}`)}
      />`)}
    </ul>`;
}

function AddableRow({ row, isOpen, onToggle }) {
  const { name, needs_key: needsKey, hint, host, variables } = row;
  return html`<li class="provider">
    <div class="provider-head">
      <button type="button" class="provider-open" aria-expanded=${isOpen} onClick=${onToggle}>
        <${Icon} name="plus" class="small" /><span class="provider-name">${name}</span>
        <span class="provider-note truncate" dir="ltr">${host ?? ""}</span>
      </button>
    </div>
    ${isOpen &&
    html`<div class="provider-body">
      ${hint && html`<p class="setting-hint">${hint}</p>`} ${needsKey && html`<${KeyForm} name=${name} />`}
      ${variables.length > 0 && html`<p class="setting-hint">${t("provider.orVariable")} <code dir="ltr">${variables.join(", ")}</code></p>`}
    </div>`}
  </li>`;
}
