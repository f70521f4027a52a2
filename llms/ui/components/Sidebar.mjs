// Everything at the side: a new chat, search, all chats, the ways to other pages. On small screens it is a drawer.

import { t } from "../i18n/t.mjs";
import { settings } from "../settings.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { effect, html, untracked, useEffect } from "../view.mjs";
import { Icon } from "./Icon.mjs";
import { lazy } from "./lazy.mjs";
import { go, hrefOf, place } from "./places.mjs";
import { NARROWEST, WIDEST, closeDrawer, isArchiveOpen, isDrawerOpen, keepSidebar, openSurface, query, resizeSidebar, selection, sidebarWidth } from "./shell.mjs";
import { keysOf } from "./shortcuts.mjs";

const BulkBar = lazy(() => import("./BulkBar.mjs"), "BulkBar");
const ThreadList = lazy(() => import("./ThreadList.mjs"), "ThreadList");
const MARK = document.querySelector('link[rel="icon"]').href; // in the page, so that it costs no request
const STEP = 16; // pixels of one arrow key
const USUAL = 280; // pixels, as the style sheet says

export function Sidebar() {
  useEffect(keepSidebar, []);
  useEffect(() => effect(arrive), []);
  useEffect(() => effect(leaveDeleted), []);
  useEffect(() => effect(followDrawer), []);
  return html`<aside class="sidebar" id="sidebar" aria-label=${t("sidebar.title")}>
    <div class="sidebar-head">
      <${Brand} />
      <${NewChat} />
      <${SearchBox} />
      ${selection.value && html`<${BulkBar} />`}
    </div>
    <${Chats} />
    <${Foot} />
    <${Edge} />
  </aside>`;
}

// At another place: the drawer has done its work, and a message that the address names is brought into view.
function arrive() {
  const { threadId, messageId } = place.value;
  untracked(closeDrawer);
  if (messageId !== null) import("./reveal.mjs").then(({ reveal }) => reveal(threadId, messageId));
}

// From a chat that is gone, here or in another tab, to a new one.
function leaveDeleted() {
  const { isLoaded, threads } = useThreadStore();
  const { threadId } = place.value;
  if (threadId === null || !isLoaded.value || threads.value.some(({ id }) => id === threadId)) return;
  untracked(() => go(hrefOf(), { replace: true }));
}

function Brand() {
  const close = () => {
    closeDrawer();
    settings.sidebar.value = false;
  };
  return html`<div class="brand-row">
    <a class="brand" href=${hrefOf()}><img class="brand-mark" src=${MARK} alt="" width="24" height="24" /><span>${t("app.name")}</span></a>
    <button
      type="button"
      class="icon-button"
      aria-label=${t("sidebar.close")}
      aria-controls="sidebar"
      onClick=${close}
    >
      <${Icon} name="panel-left" />
    </button>
  </div>`;
}

function NewChat() {
  const { page, threadId } = place.value;
  const isHere = page === "chat" && threadId === null;
  return html`<a class="nav-item new" href=${hrefOf()} aria-current=${isHere ? "page" : undefined}>
    <${Icon} name="square-pen" /><span>${t("sidebar.newChat")}</span><kbd class="kbd">${keysOf("newChat")}</kbd>
  </a>`;
}

// The field that searches titles and texts of all chats.
function SearchBox() {
  return html`<div class="search" role="search">
    <${Icon} name="search" class="small" />
    <input
      class="input"
      type="search"
      dir="auto"
      aria-label=${t("sidebar.search")}
      placeholder=${t("sidebar.search")}
      value=${query.value}
      onFocus=${() => useThreadStore().prepareSearch()}
      onInput=${(event) => (query.value = event.currentTarget.value)}
      onKeyDown=${searching}
    />
    ${query.value &&
    html`<button type="button" class="icon-button small search-clear" aria-label=${t("action.clear")} onClick=${clear}>
      <${Icon} name="x" />
    </button>`}
  </div>`;
}

function searching(event) {
  if (event.key === "Escape" && query.value) clear(event);
  else if (event.key === "ArrowDown") document.querySelector('.sidebar-body [data-row][tabindex="0"]')?.focus();
  else return;
  event.preventDefault();
}

function clear({ currentTarget }) {
  query.value = "";
  currentTarget.closest(".search").querySelector("input").focus();
}

// The list is fetched when there is something to list.
function Chats() {
  const { folders, isLoaded, threads } = useThreadStore();
  const isEmpty = !threads.value.length && !folders.value.length && !query.value && !isArchiveOpen.value;
  if (!isEmpty) return html`<${ThreadList} waiting=${html`<div class="sidebar-body" />`} />`;
  return html`<div class="sidebar-body">${isLoaded.value && html`<p class="sidebar-empty">${t("sidebar.empty")}</p>`}</div>`;
}

function Foot() {
  const { page } = place.value;
  const showArchive = () => {
    query.value = "";
    isArchiveOpen.value = !isArchiveOpen.value;
  };
  return html`<nav class="sidebar-foot" aria-label=${t("action.more")}>
    <a class="nav-item" href="#/usage" aria-current=${page === "usage" ? "page" : undefined}>
      <${Icon} name="chart-column" /><span>${t("sidebar.usage")}</span>
    </a>
    <button type="button" class="nav-item" aria-pressed=${isArchiveOpen.value} onClick=${showArchive}>
      <${Icon} name="archive" /><span>${t("sidebar.archive")}</span>
    </button>
    <button type="button" class="nav-item" onClick=${() => openSurface("palette")}>
      <${Icon} name="command" /><span>${t("palette.title")}</span><kbd class="kbd">${keysOf("palette")}</kbd>
    </button>
  </nav>`;
}

// The edge that is drawn to make the sidebar wider; arrow keys do it too, a double click undoes it.
function Edge() {
  return html`<div
    class="sidebar-edge"
    role="separator"
    tabindex="0"
    aria-orientation="vertical"
    aria-label=${t("sidebar.resize")}
    aria-valuemin=${NARROWEST}
    aria-valuemax=${WIDEST}
    aria-valuenow=${sidebarWidth.value ?? USUAL}
    onPointerDown=${grab}
    onDblClick=${() => resizeSidebar(null)}
    onKeyDown=${nudge}
  />`;
}

function grab(event) {
  const edge = event.currentTarget;
  const { left, right } = edge.parentElement.getBoundingClientRect();
  const drag = ({ clientX }) => resizeSidebar(isMirrored() ? right - clientX : clientX - left);
  edge.setPointerCapture(event.pointerId);
  edge.addEventListener("pointermove", drag);
  edge.addEventListener("lostpointercapture", () => edge.removeEventListener("pointermove", drag), { once: true });
}

function nudge(event) {
  const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!way) return;
  event.preventDefault();
  resizeSidebar((sidebarWidth.peek() ?? USUAL) + STEP * (isMirrored() ? -way : way));
}

// While the drawer is open it has the focus and Escape closes it; what lies below cannot be reached.
function followDrawer() {
  const main = document.querySelector(".app > .main");
  if (main) main.inert = isDrawerOpen.value;
  if (!isDrawerOpen.value) return undefined;
  const press = (event) => event.key === "Escape" && !event.defaultPrevented && closeDrawer();
  requestAnimationFrame(() => document.querySelector(".sidebar .brand-row button").focus());
  document.addEventListener("keydown", press);
  return () => {
    document.removeEventListener("keydown", press);
    requestAnimationFrame(() => document.querySelector('[aria-controls="sidebar"][aria-expanded]')?.focus());
  };
}

function isMirrored() {
  return document.documentElement.dir === "rtl";
}
