// Everything that can be done from the keyboard, by name: for the palette and for the keys.

import { t } from "../i18n/t.mjs";
import { settings } from "../settings.mjs";
import { textOf } from "../store/message.mjs";
import { useThreadStore } from "../threadStore.mjs";
import * as composing from "./composing.mjs";
import * as conversation from "./conversation.mjs";
import { copyText } from "./copying.mjs";
import { exportThread } from "./files.mjs";
import { notify } from "./notices.mjs";
import { go, hrefOf, place } from "./places.mjs";
import { isArchiveOpen, isDrawerOpen, openSurface, query, renaming, selection } from "./shell.mjs";

const store = useThreadStore();

// Runs a command by its name, where it makes sense now.
export function run(name) {
  const command = commands().find((each) => each.name === name);
  return command ? command.run() : undefined;
}

// [{name, label, icon, run}] of all that make sense now; `name` is also that of its shortcut, if it has one.
export function commands() {
  return [...always(), ...(store.current.peek() ? inThread() : []), ...looks()];
}

function always() {
  return [
    { name: "newChat", label: t("sidebar.newChat"), icon: "square-pen", run: newChat },
    { name: "search", label: t("sidebar.search"), icon: "search", run: search },
    { name: "model", label: t("model.choose"), icon: "box", run: () => document.querySelector('[data-testid="model-picker"]')?.click() },
    { name: "compare", label: t("empty.compareTitle"), icon: "columns-2", run: () => go("#/compare") },
    { name: "sidebar", label: t("shortcuts.sidebar"), icon: "panel-left", run: toggleSidebar },
    { name: "threadSettings", label: t("thread.settings"), icon: "sliders-horizontal", run: () => openSurface("thread") },
    { name: "settings", label: t("settings.title"), icon: "settings", run: () => openSurface("settings") },
    { name: "archived", label: t("sidebar.showArchive"), icon: "archive", run: showArchive },
    { name: "newFolder", label: t("folder.new"), icon: "folder-plus", run: createFolder },
    { name: "selectMany", label: t("thread.selectMany"), icon: "list-checks", run: selectMany },
    { name: "usage", label: t("usagePage.title"), icon: "chart-column", run: () => go("#/usage") },
    { name: "pull", label: t("pull.title"), icon: "download", run: () => openSurface("pull") },
    { name: "files", label: `${t("data.import")}, ${t("data.export")}`, icon: "upload", run: () => openSurface("files") },
    { name: "help", label: t("shortcuts.title"), icon: "keyboard", run: () => openSurface("shortcuts") },
    { name: "palette", run: () => openSurface("palette") },
    { name: "focus", run: () => composing.focus() },
    { name: "previousChat", run: () => step(-1) },
    { name: "nextChat", run: () => step(1) },
  ];
}

function inThread() {
  const thread = store.current.peek();
  const { id, pinned, archived } = thread;
  const answer = store.path.peek().findLast(({ role }) => role === "assistant");
  const change = (fields) => () => store.updateThread(id, fields);
  return [
    answer && { name: "regenerate", label: t("message.regenerate"), icon: "refresh-cw", run: () => conversation.regenerate(answer) },
    answer && { name: "copyLast", label: t("shortcuts.copyLast"), icon: "copy", run: () => copy(textOf(answer)) },
    lastCode() && { name: "copyCode", label: t("shortcuts.copyCode"), icon: "code", run: () => copy(lastCode()) },
    { name: "rename", label: t("thread.rename"), icon: "pencil", run: () => (renaming.value = "title") },
    { name: "pin", label: t(pinned ? "thread.unpin" : "thread.pin"), icon: pinned ? "pin-off" : "pin", run: change({ pinned: !pinned }) },
    { name: "archive", label: t(archived ? "thread.unarchive" : "thread.archive"), icon: "archive", run: change({ archived: !archived }) },
    { name: "exportMarkdown", label: `${t("data.exportChat")}: ${t("data.exportMarkdown")}`, icon: "file-text", run: () => exportThread(id, "markdown") },
    { name: "exportJson", label: `${t("data.exportChat")}: ${t("data.exportJson")}`, icon: "braces", run: () => exportThread(id, "json") },
    { name: "delete", label: t("thread.delete"), icon: "trash-2", run: () => store.deleteThreads(id) },
  ].filter(Boolean);
}

function looks() {
  const theme = (value, label, icon) => ({ name: `theme-${value}`, label: `${t("settings.theme")}: ${label}`, icon, run: () => (settings.theme.value = value) });
  return [
    { name: "stream", label: t("settings.stream"), icon: "zap", isOn: settings.stream.peek(), run: () => (settings.stream.value = !settings.stream.peek()) },
    theme("light", t("settings.themeLight"), "sun"),
    theme("dark", t("settings.themeDark"), "moon"),
    theme("system", t("settings.themeSystem"), "monitor"),
  ];
}

function newChat() {
  go(hrefOf());
  requestAnimationFrame(() => composing.focus());
}

function search() {
  showSidebar();
  requestAnimationFrame(() => document.querySelector(".sidebar .search input")?.focus());
}

function showArchive() {
  showSidebar();
  [query.value, isArchiveOpen.value] = ["", true];
}

async function createFolder() {
  showSidebar();
  [query.value, isArchiveOpen.value] = ["", false];
  renaming.value = (await store.createFolder(t("folder.new"))).id;
}

function selectMany() {
  showSidebar();
  selection.value = new Set();
}

function isSmall() {
  return matchMedia("(width < 56rem)").matches;
}

function showSidebar() {
  if (isSmall()) isDrawerOpen.value = true;
  else settings.sidebar.value = true;
}

function toggleSidebar() {
  if (isSmall()) isDrawerOpen.value = !isDrawerOpen.peek();
  else settings.sidebar.value = !settings.sidebar.peek();
}

// To the chat above or below the open one, in the order of the list.
function step(by) {
  const threads = store.threads.peek().filter(({ archived }) => !archived);
  const at = threads.findIndex(({ id }) => id === place.peek().threadId);
  const to = threads[at < 0 ? (by > 0 ? 0 : -1) : at + by];
  if (to) go(hrefOf(to.id));
}

function lastCode() {
  return [...document.querySelectorAll(".turns .md-code pre")].at(-1)?.textContent ?? "";
}

async function copy(text) {
  await copyText(text).then(
    () => notify(t("toast.copied"), { icon: "check" }),
    () => notify(t("toast.copyFailed"), { icon: "circle-alert" }),
  );
}
