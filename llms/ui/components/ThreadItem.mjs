// One chat in the sidebar: a link with its title, a dot while an answer is written, a button for everything else. While
// several are being chosen it is a checkbox. There may be a thousand: each renders again only when its own state changes.

import { t } from "../i18n/t.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { html, useComputed } from "../view.mjs";
import { Icon } from "./Icon.mjs";
import { hrefOf, place } from "./places.mjs";
import { lazy } from "./lazy.mjs";
import { focusRow, leaveRow } from "./roving.mjs";
import { THREADS, renaming, selectThrough, selection, toggleSelected } from "./shell.mjs";

const NameField = lazy(() => import("./NameField.mjs"), "NameField");

// live: a signal of the ids of threads that are being written; onMenu(thread, source).
export function ThreadItem({ thread, live, onMenu }) {
  const state = useComputed(() => stateOf(thread.id, live.value)).value;
  if (state.includes("renaming")) return html`<li class="thread"><${ThreadName} thread=${thread} /></li>`;
  const [isSelecting, isSelected] = [state.includes("choosing"), state.includes("selected")];
  return html`<li
    class="thread"
    data-current=${state.includes("current")}
    data-selected=${isSelected}
    draggable=${!isSelecting || isSelected}
    onDragStart=${(event) => carry(event, thread.id)}
    onContextMenu=${(event) => showMenu(event, thread, onMenu)}
  >
    ${isSelecting ? choice(thread, isSelected) : link(thread, state, onMenu)}
  </li>`;
}

function link(thread, state, onMenu) {
  const title = titleOf(thread);
  const isCurrent = state.includes("current");
  return html`<a
      class="thread-link"
      href=${hrefOf(thread.id)}
      data-row=${thread.id}
      tabindex="-1"
      draggable="false"
      aria-current=${isCurrent ? "page" : undefined}
      aria-keyshortcuts="F2 Delete"
      onClick=${(event) => click(event, thread.id)}
      onKeyDown=${(event) => press(event, thread)}
    >
      <span class="thread-title" dir="auto">${title}</span>
      ${state.includes("live") && html`<span class="live-dot" role="img" aria-label=${t("thread.live")} />`}
    </a>
    <button
      type="button"
      class="icon-button small thread-menu"
      tabindex="-1"
      aria-haspopup="menu"
      aria-label=${t("thread.actions", { title })}
      onClick=${(event) => onMenu(thread, event.currentTarget)}
    >
      <${Icon} name="ellipsis" />
    </button>`;
}

function choice(thread, isSelected) {
  return html`<label class="thread-link">
    <input
      type="checkbox"
      class="checkbox"
      data-row=${thread.id}
      tabindex="-1"
      aria-label=${titleOf(thread)}
      checked=${isSelected}
      onClick=${(event) => (event.shiftKey ? selectThrough(thread.id, idsAround(event)) : toggleSelected(thread.id))}
    />
    <span class="thread-title" dir="auto">${titleOf(thread)}</span>
  </label>`;
}

function ThreadName({ thread }) {
  const { updateThread } = useThreadStore();
  return html`<${NameField}
    name=${thread.title}
    label=${t("thread.rename")}
    onName=${(title) => updateThread(thread.id, { title })}
    onEnd=${(isByKey) => endRenaming(thread.id, isByKey)}
  />`;
}

// Words, so that a row whose words stay the same is left alone.
function stateOf(id, live) {
  const { page, threadId } = place.value;
  const words = [page === "chat" && threadId === id && "current", live.has(id) && "live", renaming.value === id && "renaming"];
  if (selection.value) words.push("choosing", selection.value.has(id) && "selected");
  return words.filter(Boolean).join(" ");
}

function click(event, id) {
  if (!event.shiftKey) return;
  event.preventDefault();
  toggleSelected(id);
}

function press(event, { id }) {
  if (event.key === "F2") renaming.value = id;
  else if (event.key !== "Delete") return;
  else {
    leaveRow(event.currentTarget);
    useThreadStore().deleteThreads(id);
  }
  event.preventDefault();
}

function endRenaming(id, isByKey) {
  renaming.value = null;
  if (isByKey) focusRow(id);
}

function showMenu(event, thread, onMenu) {
  const button = event.currentTarget.querySelector(".thread-menu");
  if (!button) return;
  event.preventDefault();
  onMenu(thread, button);
}

// What is dragged: this chat, or all that are chosen.
function carry(event, id) {
  event.dataTransfer.setData(THREADS, JSON.stringify(selection.peek()?.has(id) ? [...selection.peek()] : [id]));
  event.dataTransfer.effectAllowed = "move";
}

function idsAround({ currentTarget }) {
  return [...currentTarget.closest(".sidebar-body").querySelectorAll(".thread [data-row]")].map((row) => row.dataset.row);
}

function titleOf({ title }) {
  return title || t("thread.untitled");
}
