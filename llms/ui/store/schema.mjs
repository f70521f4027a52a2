// What is kept, version 1, and what one change does to one record. Databases of either kind obey it.
//
//   threads   {id, title, pinned, folder, archived, model, params, systemPrompt, stream, leaf, createdAt, updatedAt}
//   messages  {id, threadId, parentId, role, parts[], model, usage, timing, cost, status, error, failures, createdAt}
//             active: 1 while it is being written; blobs: the ids of blobs in its parts
//   blobs     {id: SHA-256 in hex, type, size, bytes: ArrayBuffer, createdAt}
//   folders   {id, name, createdAt}
//   presets   {id, name, systemPrompt, model, params, createdAt}
//   drafts    {id: of the thread or "new", text, attachments: parts, blobs, updatedAt}
//
// Every record also has rev, which grows with each change. A change is one of
//   {store, put: record} · {store, delete: id} · {store, id, edit: (record or undefined) => record, null or undefined}
// An edit that answers undefined leaves the record alone, null deletes it.

export const VERSION = 1;

export const STORES = {
  threads: {},
  messages: { threadId: {}, active: {}, blobs: { multiEntry: true } },
  blobs: {},
  folders: {},
  presets: {},
  drafts: { blobs: { multiEntry: true } },
};

export function idOf(change) {
  return change.put?.id ?? change.delete ?? change.id;
}

// The record after a change: `before` itself where nothing changes, null where there is none.
export function after(before, change) {
  if ("delete" in change) return null;
  const next = change.put ?? change.edit(before);
  if (next === undefined) return before ?? null;
  if (next === null || next === before) return next;
  return { ...next, rev: Math.max(before?.rev ?? 0, next.rev ?? 0) + 1 };
}
