// The database's twin in memory: for browsers that keep nothing, and for tests. Same methods, gone with the page.

import { STORES, after, idOf } from "./database.mjs";

export class MemoryDatabase {
  isPersistent = false;
  #stores = new Map(Object.keys(STORES).map((name) => [name, new Map()]));

  async get(store, id) {
    return structuredClone(this.#stores.get(store).get(id));
  }

  async all(store) {
    return structuredClone([...this.#stores.get(store).values()]);
  }

  async where(store, index, key) {
    return structuredClone(this.#matching(store, index, key));
  }

  async count(store, index, key) {
    return this.#matching(store, index, key).length;
  }

  async ids(store) {
    return [...this.#stores.get(store).keys()];
  }

  async change(changes) {
    const staged = new Map();
    const results = [];
    for (const change of changes) {
      const [key, id] = [`${change.store} ${idOf(change)}`, idOf(change)];
      const before = staged.has(key) ? staged.get(key).after : (this.#stores.get(change.store).get(id) ?? null);
      const result = { store: change.store, id, before, after: structuredClone(after(before ?? undefined, change)) };
      if (result.after !== null && result.after.rev === before?.rev) continue;
      if (result.after === null && before === null) continue;
      staged.set(key, result);
      results.push(result);
    }
    for (const { store, id, after: record } of staged.values()) {
      if (record === null) this.#stores.get(store).delete(id);
      else this.#stores.get(store).set(id, record);
    }
    return structuredClone(results);
  }

  changeNow(changes) {
    for (const { store, put, delete: id } of changes) {
      if (put) this.#stores.get(store).set(put.id, structuredClone(put));
      else this.#stores.get(store).delete(id);
    }
  }

  async close() {}

  #matching(store, index, key) {
    return [...this.#stores.get(store).values()].filter((record) =>
      STORES[store][index].multiEntry ? record[index]?.includes(key) : record[index] === key,
    );
  }
}
