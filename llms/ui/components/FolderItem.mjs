// One folder: its name opens and closes it, its chats stand below it, others can be dropped on it.

import { number } from "../i18n/format.mjs";
import { t } from "../i18n/t.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { html, useState } from "../view.mjs";
import { Icon } from "./Icon.mjs";
import { dropTarget } from "./dropping.mjs";
import { lazy } from "./lazy.mjs";
import { focusRow, leaveRow } from "./roving.mjs";
import { closedFolders, renaming, toggleFolder } from "./shell.mjs";

const NameField = lazy(() => import("./NameField.mjs"), "NameField");
const Menu = lazy(() => import("./Menu.mjs"), "Menu");

export function FolderItem({ folder, threads, row }) {
  const [source, setSource] = useState(null);
  const isOpen = !closedFolders.value.has(folder.id);
  return html`<div class="folder" ...${dropTarget(folder.id)}>
    ${renaming.value === folder.id ? html`<div class="thread"><${FolderName} folder=${folder} /></div>` : head(folder, threads.length, isOpen, setSource)}
    ${isOpen && threads.length > 0 && html`<ul class="folder-threads">${threads.map(row)}</ul>`}
    ${source && html`<${Menu} source=${source} label=${folder.name} items=${actions(folder)} onClose=${() => setSource(null)} />`}
  </div>`;
}

function head(folder, count, isOpen, setSource) {
  return html`<div class="thread" onContextMenu=${(event) => showMenu(event, setSource)}>
    <button
      type="button"
      class="thread-link"
      data-row=${folder.id}
      tabindex="-1"
      aria-expanded=${isOpen}
      onClick=${() => toggleFolder(folder.id)}
      onKeyDown=${(event) => press(event, folder, isOpen)}
    >
      <${Icon} name=${isOpen ? "folder-open" : "folder"} />
      <span class="thread-title" dir="auto">${folder.name}</span>
      <span class="thread-meta numeric">${count > 0 && number(count)}</span>
    </button>
    <button
      type="button"
      class="icon-button small thread-menu"
      tabindex="-1"
      aria-haspopup="menu"
      aria-label=${t("thread.actions", { title: folder.name })}
      onClick=${(event) => setSource(event.currentTarget)}
    >
      <${Icon} name="ellipsis" />
    </button>
  </div>`;
}

function FolderName({ folder }) {
  const end = (isByKey) => {
    renaming.value = null;
    if (isByKey) focusRow(folder.id);
  };
  const keep = (name) => useThreadStore().renameFolder(folder.id, name);
  return html`<${NameField} name=${folder.name} label=${t("folder.name")} onName=${keep} onEnd=${end} />`;
}

function actions({ id }) {
  return [
    { label: t("action.rename"), icon: "pencil", run: () => (renaming.value = id) },
    null,
    { label: t("folder.delete"), icon: "trash-2", isDanger: true, hint: t("folder.deleteHint"), run: () => useThreadStore().deleteFolder(id) },
  ];
}

// Arrows open and close it, in the direction in which the language runs.
function press(event, { id }, isOpen) {
  const isMirrored = document.documentElement.dir === "rtl";
  const toOpen = { ArrowRight: !isMirrored, ArrowLeft: isMirrored }[event.key];
  if (event.key === "F2") renaming.value = id;
  else if (event.key === "Delete") {
    leaveRow(event.currentTarget);
    useThreadStore().deleteFolder(id);
  } else if (toOpen === !isOpen) toggleFolder(id);
  else return;
  event.preventDefault();
}

function showMenu(event, setSource) {
  event.preventDefault();
  setSource(event.currentTarget.querySelector(".thread-menu"));
}
