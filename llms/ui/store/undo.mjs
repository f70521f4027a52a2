// Eight seconds in which a deletion can be taken back. It is done at once; what was there is remembered here.

export const PATIENCE = 8000; // milliseconds

export class Undo {
  #records;
  #pending;
  #timers;
  #now;
  #kept = new Map();
  #next = 1;

  // pending: a signal of what can be taken back, [{id, what, count, until}], the newest last.
  constructor({ records, pending, now, timers }) {
    this.#records = records;
    this.#pending = pending;
    this.#timers = timers;
    this.#now = now;
  }

  // Remembers what a change did (the results of `commit`). what: a name for the list, such as "threads"; count: how many.
  offer(what, results, count = 1) {
    if (!results.length) return;
    const id = this.#next++;
    this.#kept.set(id, { results, timer: this.#timers.setTimeout(() => this.dismiss(id), PATIENCE) });
    this.#pending.value = [...this.#pending.peek(), { id, what, count, until: this.#now() + PATIENCE }];
  }

  // Takes one back, the last one without an id. Resolves with true where there was something to take back.
  async undo(id = this.#pending.peek().at(-1)?.id) {
    const kept = this.#kept.get(id);
    if (!kept) return false;
    this.dismiss(id);
    await this.#records.commit(kept.results.map(inverse).reverse());
    return true;
  }

  // Lets it be final.
  dismiss(id) {
    this.#timers.clearTimeout(this.#kept.get(id)?.timer);
    this.#kept.delete(id);
    this.#pending.value = this.#pending.peek().filter((each) => each.id !== id);
  }
}

// What was deleted comes back whole. Of what was changed, only what the change changed.
function inverse({ store, id, before, after }) {
  if (before === null) return { store, delete: id };
  if (after === null) return { store, id, edit: (record) => (record ? undefined : before) };
  const names = Object.keys({ ...before, ...after }).filter((name) => name !== "rev" && JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  const fields = Object.fromEntries(names.map((name) => [name, before[name]]));
  return { store, id, edit: (record) => (record ? { ...record, ...fields } : undefined) };
}
