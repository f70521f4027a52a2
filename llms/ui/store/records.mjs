// What this tab holds of the database, as signals. Every change goes through `commit`, which writes it, shows it here and
// tells the other tabs; what they tell is read again from the database.
//
// Held: all threads, folders and presets, and the messages of the one open thread, each a Map by id.

import { batch, signal } from "../view.mjs";

const HELD = ["threads", "folders", "presets"];
const MANY = 60;

export class Records {
  threads = signal(new Map());
  folders = signal(new Map());
  presets = signal(new Map());
  messages = signal(new Map());
  openId = signal(null); // the thread whose messages are held
  problem = signal(null); // {code: "quota" or "storage", message} of the last write, where it failed
  isPersistent = signal(true);
  #database;
  #loaded = null;
  #channel;
  #listeners = new Set();
  #wanted = null; // the thread that was last asked for
  #version = 0;

  // database: see database.mjs, or a promise of one; channel: {tell(note), listen(callback)}, see tabs.mjs.
  constructor({ database, channel }) {
    this.#database = database;
    this.#channel = channel;
    channel.listen((note) => this.#hear(note).catch(() => {})); // what cannot be read is read with the next note
  }

  async load() {
    const database = await this.#database;
    this.#loaded = database;
    this.isPersistent.value = database.isPersistent;
    await this.#steadily(
      () => Promise.all(HELD.map((store) => database.all(store))),
      (found) => HELD.forEach((store, index) => (this[store].value = byId(found[index]))),
    );
  }

  // Holds the messages of another thread, or of none for null. Until they are read, the former ones stay.
  async open(threadId) {
    this.#wanted = threadId;
    const read = async () => (threadId === null ? [] : this.where("messages", "threadId", threadId));
    await this.#steadily(read, (found) => {
      if (this.#wanted !== threadId) return;
      this.openId.value = threadId;
      this.messages.value = byId(found);
    });
  }

  // The messages of any thread.
  async messagesOf(threadId) {
    if (this.openId.peek() === threadId) return [...this.messages.peek().values()];
    return this.where("messages", "threadId", threadId);
  }

  async get(store, id) {
    return (await this.#database).get(store, id);
  }

  async where(store, index, key) {
    return (await this.#database).where(store, index, key);
  }

  async count(store, index, key) {
    return (await this.#database).count(store, index, key);
  }

  async ids(store) {
    return (await this.#database).ids(store);
  }

  // Writes changes (see database.mjs), all or none; returns [{store, id, before, after}].
  async commit(changes, options) {
    const results = await this.#write(changes, options);
    if (!results.length) return results;
    this.#version += 1;
    batch(() => this.#show(results));
    this.#tell(results);
    for (const result of results) this.#pass(noteOf(result), result.after);
    return results;
  }

  // Writes {store, put} and {store, delete} at once and unseen, for a page that may be gone in a moment. Other tabs hear of
  // it; what is held here stays as it was until the next commit. isFinal: the page does not come back.
  commitNow(changes, options) {
    if (!changes.length) return;
    const results = changes.map(({ store, put, delete: id }) => {
      // One more than a commit that may be under way, so that nobody takes its record for this one.
      const after = put ? { ...put, rev: (put.rev ?? 0) + 2 } : null;
      return { store, id: put?.id ?? id, before: null, after };
    });
    this.#loaded?.changeNow(results.map(({ store, id, after }) => (after ? { store, put: after } : { store, delete: id })), options);
    this.#tell(results);
  }

  // Calls back with ({store, id, rev, threadId, active}, record) for each change, here or in another tab. The record is
  // undefined where this tab has not read it; rev is null for a deletion; store "*" means that anything may have changed.
  onChange(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #write(changes, options) {
    try {
      const results = await (await this.#database).change(changes, options);
      this.problem.value = null;
      return results;
    } catch (error) {
      this.problem.value = { code: error?.name === "QuotaExceededError" ? "quota" : "storage", message: String(error?.message ?? error) };
      throw error;
    }
  }

  async #hear(note) {
    this.#version += 1;
    if (note.store === "*") await this.#reload();
    else if (this.#holder(note)) await this.#reread(note);
    else this.#pass(note, undefined);
  }

  async #reload() {
    await this.load();
    await this.open(this.#wanted);
    this.#pass({ store: "*" }, undefined);
  }

  async #reread(note) {
    const { store, id, rev } = note;
    if (rev !== null && this.#holder(note)?.peek().get(id)?.rev >= rev) return;
    const read = async () => (await this.get(store, id)) ?? null;
    await this.#steadily(read, (record) => {
      this.#show([{ store, id, before: record, after: record }]);
      this.#pass(note, record);
    });
  }

  #pass(note, record) {
    for (const listener of this.#listeners) listener(note, record);
  }

  // Reads until nothing was written meanwhile, then takes it over: an older state never replaces a newer one.
  async #steadily(read, take) {
    for (;;) {
      const version = this.#version;
      const found = await read();
      if (version !== this.#version) continue;
      batch(() => take(found));
      return;
    }
  }

  #show(results) {
    const shown = new Map();
    for (const { store, id, before, after } of results) {
      const held = this.#holder({ store, id, threadId: (after ?? before)?.threadId });
      if (!held) continue;
      if (!shown.has(held)) shown.set(held, new Map(held.peek()));
      if (after === null) shown.get(held).delete(id);
      else shown.get(held).set(id, after);
    }
    for (const [held, next] of shown) held.value = next;
  }

  // The signal that holds such a record; undefined where this tab holds none.
  #holder({ store, id, threadId }) {
    if (HELD.includes(store)) return this[store];
    if (store !== "messages") return undefined;
    const isOpen = threadId !== undefined && threadId === this.openId.peek();
    return isOpen || this.messages.peek().has(id) ? this.messages : undefined;
  }

  #tell(results) {
    if (results.length > MANY) this.#channel.tell({ store: "*" });
    else for (const result of results) this.#channel.tell(noteOf(result));
  }
}

function noteOf({ store, id, before, after }) {
  const { threadId, active } = after ?? before ?? {};
  return { store, id, rev: after?.rev ?? null, ...(threadId && { threadId }), ...(after && active && { active }) };
}

function byId(records) {
  return new Map(records.map((record) => [record.id, record]));
}
