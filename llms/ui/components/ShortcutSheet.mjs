// The list of all keys.

import { t } from "../i18n/t.mjs";
import { settings } from "../settings.mjs";
import { html } from "../view.mjs";
import { Dialog } from "./Dialog.mjs";
import { SHORTCUTS, namesOf } from "./shortcuts.mjs";

export function ShortcutSheet({ onClose }) {
  return html`<${Dialog} title=${t("shortcuts.title")} onClose=${onClose}>
    <div class="dialog-body" tabindex="0" autofocus>
      ${!settings.shortcuts.value && html`<p class="setting-hint">${t("shortcuts.off")}</p>`}
      <${KeyList} />
    </div>
  <//>`;
}

export function KeyList() {
  return html`<dl class="shortcut-list">
    ${SHORTCUTS.map(
      ({ name, keys }) => html`<dt key=${name}>${t(`shortcuts.${name}`)}</dt>
        <dd dir="ltr">${namesOf(keys).map((key) => html`<kbd class="kbd">${key}</kbd>`)}</dd>`,
    )}
  </dl>`;
}
