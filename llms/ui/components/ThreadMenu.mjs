// What can be done with one chat; folders and files of export open in its place.

import { t } from "../i18n/t.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { html, useRef, useState } from "../view.mjs";
import { Menu } from "./Menu.mjs";
import { exportThread } from "./files.mjs";
import { openSurface, renaming, toggleSelected } from "./shell.mjs";

// source: the button; nameAt: what `renaming` is while the name is changed, by default the chat's id; onClose().
export function ThreadMenu({ thread, source, nameAt = thread.id, onClose }) {
  const [level, setLevel] = useState("all");
  const at = useRef(level);
  const open = (next) => {
    at.current = next;
    setLevel(next);
  };
  const label = thread.title || t("thread.untitled");
  const items = LEVELS[level](thread, open, nameAt);
  // The menu that makes room for another one closes too, which is not the end.
  return html`<${Menu} key=${level} source=${source} label=${label} items=${items} onClose=${() => at.current === level && onClose()} />`;
}

const LEVELS = { all, folders, files };

function all(thread, open, nameAt) {
  const { deleteThreads, updateThread } = useThreadStore();
  const { id, pinned, archived } = thread;
  const change = (fields) => () => updateThread(id, fields);
  return [
    { label: t("action.rename"), icon: "pencil", run: () => (renaming.value = nameAt) },
    { label: t(pinned ? "thread.unpin" : "thread.pin"), icon: pinned ? "pin-off" : "pin", run: change({ pinned: !pinned }) },
    { label: t("folder.moveTo"), icon: "folder", run: () => open("folders") },
    { label: t(archived ? "thread.unarchive" : "thread.archive"), icon: archived ? "archive-restore" : "archive", run: change({ archived: !archived }) },
    { label: t("data.export"), icon: "download", run: () => open("files") },
    nameAt !== id && { label: t("thread.settings"), icon: "sliders-horizontal", run: () => openSurface("thread") },
    nameAt === id && { label: t("thread.selectMany"), icon: "list-checks", run: () => toggleSelected(id) },
    null,
    { label: t("action.delete"), icon: "trash-2", isDanger: true, run: () => deleteThreads(id) },
  ].filter((item) => item !== false);
}

function folders(thread) {
  return folderChoices(thread.folder, (folder) => useThreadStore().updateThread(thread.id, { folder }));
}

function files(thread) {
  return [
    { label: t("data.exportMarkdown"), icon: "file-text", run: () => exportThread(thread.id, "markdown") },
    { label: t("data.exportJson"), icon: "braces", run: () => exportThread(thread.id, "json") },
  ];
}

// Items for every folder, none, and a new one. chosen: the id of one, null for none, undefined where it is not known.
export function folderChoices(chosen, move) {
  const store = useThreadStore();
  const item = (id, name, icon) => ({ label: name, icon: id === chosen ? "check" : icon, run: () => move(id) });
  const create = async () => {
    const { id } = await store.createFolder(t("folder.new"));
    await move(id);
    renaming.value = id;
  };
  return [
    ...store.folders.peek().map(({ id, name }) => item(id, name, "folder")),
    item(null, t("folder.none"), "folder-open"),
    null,
    { label: t("folder.new"), icon: "folder-plus", run: create },
  ];
}
