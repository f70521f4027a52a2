// What the shell around the chat is doing: which dialog is open, how the sidebar stands. Signals, one set for the page.

import { effect, signal } from "../view.mjs";

const KEY = "llms.sidebar";
export const THREADS = "application/x-llms-threads"; // what is dragged: ids as JSON

export const [NARROWEST, WIDEST] = [220, 480]; // pixels

export const surface = signal(null); // {name, …}: the one dialog that is open
export const picker = signal(null); // {source, onChoose, selected, isUp}: the list of models that is open
export const isDrawerOpen = signal(false); // the sidebar of a small screen

export const query = signal(""); // what is looked for in the sidebar
export const isArchiveOpen = signal(false);
export const renaming = signal(null); // id of the thread or folder whose name is being changed
export const selection = signal(null); // Set of ids of threads while several are being chosen, else null

const kept = read();
export const sidebarWidth = signal(widthOf(kept.width)); // pixels, null: as the style sheet says
export const closedFolders = signal(new Set(Array.isArray(kept.closed) ? kept.closed : []));

export function openSurface(name, details = {}) {
  isDrawerOpen.value = false;
  surface.value = { name, ...details };
}

export function closeSurface() {
  surface.value = null;
}

// Marks a thread, or takes the mark away; the first one begins a selection.
export function toggleSelected(id) {
  const next = new Set(selection.peek() ?? []);
  if (!next.delete(id)) next.add(id);
  selection.value = next;
}

// Marks all from the one that was marked last to this one; ids: of all rows in order.
export function selectThrough(id, ids) {
  const last = [...(selection.peek() ?? [])].at(-1);
  const [from, to] = [ids.indexOf(last), ids.indexOf(id)].sort((one, other) => one - other);
  selection.value = new Set([...(selection.peek() ?? []), ...ids.slice(from < 0 ? to : from, to + 1)]);
}

export function toggleFolder(id) {
  const next = new Set(closedFolders.peek());
  if (!next.delete(id)) next.add(id);
  closedFolders.value = next;
}

export function closeDrawer() {
  isDrawerOpen.value = false;
}

// null: as wide as the style sheet says.
export function resizeSidebar(pixels) {
  sidebarWidth.value = widthOf(pixels);
}

// Keeps width and folders for the next visit, and shows the width; returns a function that stops that.
export function keepSidebar(root = document.documentElement) {
  return effect(() => {
    const [width, closed] = [sidebarWidth.value, [...closedFolders.value]];
    if (width === null) root.style.removeProperty("--sidebar");
    else root.style.setProperty("--sidebar", `${width}px`);
    write({ ...(width !== null && { width }), ...(closed.length && { closed }) });
  });
}

function widthOf(pixels) {
  return Number.isFinite(pixels) ? Math.min(WIDEST, Math.max(NARROWEST, Math.round(pixels))) : null;
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // nothing was kept, or storage is off
  }
}

function write(value) {
  try {
    localStorage.setItem(KEY, JSON.stringify(value));
  } catch {
    // It holds until the page is left.
  }
}
