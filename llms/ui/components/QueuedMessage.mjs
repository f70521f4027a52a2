// What will be sent when the answer that is being written is complete; it can be taken back.

import { html } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { queued, takeBack } from "./composing.mjs";
import { Icon } from "./Icon.mjs";

export function QueuedMessage() {
  const waiting = queued.value;
  if (waiting?.threadId !== useThreadStore().currentId.value) return null;
  const words = waiting.parts.map((part) => part.text ?? part.name).join(" ");
  return html`<div class="queued-message">
    <${Icon} name="clock" class="small" />
    <span class="truncate" title=${t("composer.queued")}>${words}</span>
    <button type="button" class="button small ghost" onClick=${takeBack}>${t("action.edit")}</button>
  </div>`;
}
