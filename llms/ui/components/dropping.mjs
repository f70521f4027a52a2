// Places where chats may be dropped: a folder, or beside all of them.

import { useThreadStore } from "../threadStore.mjs";
import { THREADS, selection } from "./shell.mjs";

// Handlers for an element that takes chats into a folder; null for none.
export function dropTarget(folder) {
  return { onDragOver: over, onDragLeave: leave, onDrop: (event) => drop(event, folder) };
}

function over(event) {
  if (!event.dataTransfer.types.includes(THREADS)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "move";
  event.currentTarget.dataset.drop = "true";
}

function leave({ currentTarget, relatedTarget }) {
  if (!currentTarget.contains(relatedTarget)) delete currentTarget.dataset.drop;
}

function drop(event, folder) {
  delete event.currentTarget.dataset.drop;
  const given = event.dataTransfer.getData(THREADS);
  if (!given) return;
  event.preventDefault();
  useThreadStore().updateThread(JSON.parse(given), { folder });
  selection.value = null;
}
