// Folders for threads: a flat list of names. A thread is in one of them or in none.

import { edited } from "./threads.mjs";

export class Folders {
  #records;
  #now;
  #newId;

  constructor({ records, now, newId }) {
    this.#records = records;
    this.#now = now;
    this.#newId = newId;
  }

  async create(name) {
    const folder = { id: this.#newId(), name: name.trim(), createdAt: this.#now() };
    const [{ after }] = await this.#records.commit([{ store: "folders", put: folder }]);
    return after;
  }

  rename(id, name) {
    const edit = (folder) => (folder ? { ...folder, name: name.trim() } : undefined);
    return this.#records.commit([{ store: "folders", id, edit }]);
  }

  // Deletes a folder; its threads stay, outside. Returns what `Undo` needs.
  remove(id) {
    const inside = [...this.#records.threads.peek().values()].filter((thread) => thread.folder === id);
    return this.#records.commit([{ store: "folders", delete: id }, ...inside.map((thread) => edited(thread.id, { folder: null }))]);
  }
}
