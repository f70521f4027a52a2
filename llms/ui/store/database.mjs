// The one seam to IndexedDB. Records go in and out whole; what they mean is the business of the modules above.
//
//   get(store, id) · all(store) · where(store, index, key) · count(store, index, key) · ids(store)
//   change(changes, {relaxed}): all of them or none; see below for what a change is
//   changeNow(changes, {isFinal}): {store, put} and {store, delete} only, begun and committed before it returns, for a page
//   that may be gone in a moment; nobody hears whether it came to be
//
// `change` answers what it did: [{store, id, before, after}], null for a record that is not there. Relaxed writes do not
// wait for the disk: a browser that dies may lose the last second, a page that closes loses nothing.

import { openDB } from "idb";

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

// Resolves once the database can be used; rejects where the browser keeps nothing.
export async function openDatabase(name = "llms") {
  const database = new Database(name);
  await database.ids("folders");
  return database;
}

class Database {
  isPersistent = true;
  #name;
  #connection = null;
  #connected = null;
  #running = new Set();

  constructor(name) {
    this.#name = name;
  }

  async get(store, id) {
    return (await this.#open()).get(store, id);
  }

  async all(store) {
    return (await this.#open()).getAll(store);
  }

  async where(store, index, key) {
    return (await this.#open()).getAllFromIndex(store, index, key);
  }

  async count(store, index, key) {
    return (await this.#open()).countFromIndex(store, index, key);
  }

  async ids(store) {
    return (await this.#open()).getAllKeys(store);
  }

  async change(changes, { relaxed = true } = {}) {
    if (!changes.length) return [];
    const names = [...new Set(changes.map((change) => change.store))];
    const durability = relaxed ? "relaxed" : "strict";
    const transaction = (await this.#open()).transaction(names, "readwrite", { durability });
    const done = transaction.done;
    done.catch(() => {}); // whoever waits below hears of it
    this.#running.add(transaction);
    try {
      const results = await apply(transaction, changes);
      await done;
      return results;
    } catch (error) {
      abort(transaction);
      throw transaction.error ?? error;
    } finally {
      this.#running.delete(transaction);
    }
  }

  // What is under way when a page goes for good never ends, and what waits behind it never begins: it makes way.
  changeNow(changes, { isFinal = false } = {}) {
    if (!this.#connected) return;
    if (isFinal) this.#running.forEach(abort);
    const names = [...new Set(changes.map((change) => change.store))];
    const transaction = this.#connected.transaction(names, "readwrite", { durability: "relaxed" });
    const ignore = () => {};
    transaction.done.catch(ignore);
    for (const { store: name, put, delete: id } of changes) {
      const store = transaction.objectStore(name);
      (put ? store.put(put) : store.delete(id)).catch(ignore);
    }
    transaction.commit();
  }

  async close() {
    const connection = await this.#connection;
    this.#forget();
    connection?.close();
  }

  // A connection that the browser took away is opened again at the next use.
  #open() {
    this.#connection ??= this.#connect();
    return this.#connection;
  }

  async #connect() {
    const [letGo, forget] = [() => this.close(), () => this.#forget()];
    try {
      this.#connected = await openDB(this.#name, VERSION, { upgrade: create, blocking: letGo, terminated: forget });
      return this.#connected;
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  #forget() {
    this.#connection = null;
    this.#connected = null;
  }
}

function create(database) {
  for (const [name, indexes] of Object.entries(STORES)) {
    const store = database.createObjectStore(name, { keyPath: "id" });
    for (const [index, options] of Object.entries(indexes)) store.createIndex(index, index, options);
  }
}

async function apply(transaction, changes) {
  const results = [];
  for (const change of changes) {
    const [store, id] = [transaction.objectStore(change.store), idOf(change)];
    const before = await store.get(id);
    const record = after(before, change);
    if (record === (before ?? null)) continue;
    await (record === null ? store.delete(id) : store.put(record));
    results.push({ store: change.store, id, before: before ?? null, after: record });
  }
  return results;
}

function abort(transaction) {
  try {
    transaction.abort();
  } catch {
    // It had ended by itself.
  }
}
