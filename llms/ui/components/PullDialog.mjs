// "Download a model": the models of the server's machine in a dialog of their own.

import { t } from "../i18n/t.mjs";
import { html, useEffect } from "../view.mjs";
import { Dialog } from "./Dialog.mjs";
import { withSheet } from "./lazy.mjs";
import { Panel } from "./settings/LocalModels.mjs";
import { hasLocalModels, isRead, readServer } from "./settings/server.mjs";

await withSheet("settings");

export function PullDialog({ onClose }) {
  useEffect(() => void readServer(), []);
  return html`<${Dialog} class="pull-dialog" title=${t("pull.title")} onClose=${onClose}>
    <div class="dialog-body">
      ${hasLocalModels.value && html`<${Panel} />`} ${isRead.value && !hasLocalModels.value && html`<p class="empty-note">${t("pull.absent")}</p>`}
    </div>
  <//>`;
}
