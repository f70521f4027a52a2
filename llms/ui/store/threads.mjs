// Commands for whole threads. Each is one change of the database.

const FIELDS = ["title", "pinned", "folder", "archived", "model", "params", "systemPrompt", "stream", "leaf", "updatedAt"];

// A record of the threads store. model, systemPrompt, stream of null and params without a key follow the settings.
export function newThread({ id, now, ...fields }) {
  const empty = { title: "", pinned: false, folder: null, archived: false, model: null, params: {}, systemPrompt: null, stream: null };
  return { id, ...empty, leaf: null, createdAt: now, updatedAt: now, ...fields };
}

export class Threads {
  #records;
  #now;
  #newId;

  constructor({ records, now, newId }) {
    this.#records = records;
    this.#now = now;
    this.#newId = newId;
  }

  async create(fields = {}) {
    const thread = newThread({ ...fields, id: this.#newId(), now: this.#now() });
    const [{ after }] = await this.#records.commit([{ store: "threads", put: thread }]);
    return after;
  }

  // Changes fields of one or several threads; unknown ones are left out.
  update(ids, fields) {
    const known = Object.fromEntries(Object.entries(fields).filter(([name]) => FIELDS.includes(name)));
    return this.#records.commit([ids].flat().map((id) => edited(id, known)));
  }

  // Deletes threads with all that belongs to them; returns what `Undo` needs.
  async remove(ids) {
    const changes = [];
    for (const id of [ids].flat()) {
      changes.push({ store: "threads", delete: id }, { store: "drafts", delete: id });
      for (const message of await this.#records.messagesOf(id)) changes.push({ store: "messages", delete: message.id });
    }
    return this.#records.commit(changes);
  }
}

// The change that gives a thread other fields; it leaves a thread alone that is gone.
export function edited(id, fields) {
  return { store: "threads", id, edit: (thread) => (thread ? { ...thread, ...fields } : undefined) };
}
