// Notices at the top of the page, and deletions that can still be taken back.

import { html } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { Icon } from "./Icon.mjs";
import { dismiss, notices, say } from "./notices.mjs";

const DELETED = { threads: "thread.deleted", messages: "message.deleted", preset: "preset.deleted", folder: "folder.deleted" };

export function Toasts() {
  const store = useThreadStore();
  const undo = async (id) => {
    await store.undo(id);
    say(t("toast.undone"));
  };
  return html`<div class="toasts" role="status">
    ${notices.value.map(
      ({ id, text, icon, action }) => html`<${Toast} key=${`n${id}`} text=${text} icon=${icon} action=${action} onDismiss=${() => dismiss(id)} />`,
    )}
    ${store.undos.value.map(
      ({ id, what, count }) =>
        html`<${Toast}
          key=${`u${id}`}
          text=${t(DELETED[what] ?? "message.deleted", { count })}
          icon="trash-2"
          action=${{ label: t("action.undo"), run: () => undo(id) }}
          onDismiss=${() => store.dismissUndo(id)}
        />`,
    )}
  </div>`;
}

function Toast({ text, icon, action, onDismiss }) {
  const act = async () => {
    await action.run();
    onDismiss();
  };
  return html`<div class="toast">
    <${Icon} name=${icon} />
    <span class="toast-text">${text}</span>
    ${action && html`<button type="button" class="button small" onClick=${act}>${action.label}</button>`}
    <button type="button" class="icon-button small" aria-label=${t("action.dismiss")} onClick=${onDismiss}><${Icon} name="x" class="small" /></button>
  </div>`;
}
