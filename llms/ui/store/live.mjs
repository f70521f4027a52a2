// Which answers are being written at this moment, in whichever tab. One whose writer is gone is taken up here, where that is
// possible; else it becomes "interrupted" and keeps the text it has.

import { signal } from "../view.mjs";
import { isBeingWritten, withMarks } from "./message.mjs";

export class Live {
  messages = signal(new Map()); // id of the message -> id of its thread
  takeUp = null; // async (message) => …, goes on with an answer that was left with a `stream`; resolves when it is kept
  #records;
  #writers;
  #own = new Set();
  #watches = new Map();

  // writers: see tabs.mjs.
  constructor({ records, writers }) {
    this.#records = records;
    this.#writers = writers;
    records.onChange((note, record) => this.#changed(note, record));
  }

  // Finds what was left behind, and what other tabs write.
  async load() {
    const found = await this.#records.where("messages", "active", 1);
    for (const id of this.messages.peek().keys()) if (!found.some((message) => message.id === id)) this.#remove(id);
    for (const message of found) this.#add(message.id, message.threadId);
  }

  // Makes this tab the writer of a message; resolves with a function that ends that. Ask before the first write.
  async hold(id) {
    this.#own.add(id);
    const free = await this.#writers.hold(id);
    return () => {
      this.#own.delete(id);
      free();
    };
  }

  #changed(note, record) {
    if (note.store === "*") this.load();
    if (note.store !== "messages") return;
    const isActive = record === undefined ? note.active === 1 : record?.active === 1;
    if (isActive) this.#add(note.id, note.threadId);
    else this.#remove(note.id);
  }

  #add(id, threadId) {
    if (!this.messages.peek().has(id)) this.messages.value = new Map(this.messages.peek()).set(id, threadId);
    if (this.#own.has(id) || this.#watches.has(id)) return;
    this.#watches.set(id, this.#writers.watch(id, () => this.#left(id)));
  }

  #remove(id) {
    this.#watches.get(id)?.();
    this.#watches.delete(id);
    if (!this.messages.peek().has(id)) return;
    const next = new Map(this.messages.peek());
    next.delete(id);
    this.messages.value = next;
  }

  // This tab holds the message until what is done here is done.
  async #left(id) {
    this.#watches.delete(id);
    this.#own.add(id);
    const message = await this.#records.get("messages", id).catch(() => null);
    if (message && isBeingWritten(message) && message.stream) await this.takeUp?.(message).catch(() => {});
    this.#own.delete(id);
    await this.#interrupt(id);
  }

  async #interrupt(id) {
    const edit = (message) => (message && isBeingWritten(message) ? withMarks({ ...message, status: "interrupted" }) : undefined);
    // Without room it stays as it is until the next page tries.
    const results = await this.#records.commit([{ store: "messages", id, edit }]).catch(() => []);
    if (!results.length) this.#remove(id);
  }
}
