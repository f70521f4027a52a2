// What can be done with the chats that are chosen.

import { t } from "../i18n/t.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { html, useLayoutEffect, useState } from "../view.mjs";
import { Icon } from "./Icon.mjs";
import { Menu } from "./Menu.mjs";
import { folderChoices } from "./ThreadMenu.mjs";
import { save } from "./files.mjs";
import { isArchiveOpen, selection } from "./shell.mjs";

export function BulkBar() {
  const [source, setSource] = useState(null);
  useLayoutEffect(() => {
    const leave = (event) => event.key === "Escape" && !event.defaultPrevented && end();
    document.addEventListener("keydown", leave);
    return () => document.removeEventListener("keydown", leave);
  }, []);
  const ids = [...selection.value];
  const store = useThreadStore();
  const archived = !isArchiveOpen.value;
  const then = (done) => Promise.resolve(done).then(end);
  const move = (folder) => then(store.updateThread(ids, { folder }));
  const none = ids.length === 0;
  return html`<div class="bulk-bar" role="toolbar" aria-label=${t("thread.selected", { count: ids.length })}>
    <span role="status">${t("thread.selected", { count: ids.length })}</span>
    ${action("list-checks", t("thread.selectAll"), false, selectAll)}
    ${action("folder", t("folder.moveTo"), none, (event) => setSource(event.currentTarget))}
    ${action(archived ? "archive" : "archive-restore", t(archived ? "thread.archive" : "thread.unarchive"), none, () => then(store.updateThread(ids, { archived })))}
    ${action("download", t("data.export"), none, () => store.exportThreads(ids).then(save).then(end))}
    ${action("trash-2", t("action.delete"), none, () => then(store.deleteThreads(ids)))}
    ${action("x", t("action.cancel"), false, end)}
    ${source && html`<${Menu}
      source=${source}
      label=${t("folder.moveTo")}
      items=${folderChoices(undefined, move)}
      onClose=${() => setSource(null)}
    />`}
  </div>`;
}

function action(icon, label, disabled, run) {
  return html`<button type="button" class="icon-button small" aria-label=${label} title=${label} disabled=${disabled} onClick=${run}>
    <${Icon} name=${icon} />
  </button>`;
}

function selectAll() {
  const archived = isArchiveOpen.peek();
  const shown = useThreadStore().threads.peek().filter((thread) => thread.archived === archived);
  selection.value = selection.peek().size === shown.length ? new Set() : new Set(shown.map(({ id }) => id));
}

function end() {
  selection.value = null;
}
