// What was typed but not sent, for each thread and for the one that does not exist yet ("new"). Survives a reload.

import { blobsOf } from "./message.mjs";
import { onLeaving } from "./tabs.mjs";

const PAUSE = 400; // milliseconds without typing

export const NEW = "new";

export class Drafts {
  #records;
  #now;
  #timers;
  #waiting = new Map();
  #timer = null;

  constructor({ records, now, timers = globalThis }) {
    this.#records = records;
    this.#now = now;
    this.#timers = timers;
    onLeaving((options) => this.#records.commitNow(this.#taken(), options));
  }

  // {text, attachments: parts}; empty where there is none. id: of the thread, null for the one that does not exist yet.
  async read(id) {
    const draft = this.#waiting.get(id ?? NEW) ?? (await this.#records.get("drafts", id ?? NEW));
    return { text: draft?.text ?? "", attachments: draft?.attachments ?? [] };
  }

  // Keeps a draft, after a moment without further typing.
  write(id, { text = "", attachments = [] }) {
    this.#waiting.set(id ?? NEW, { text, attachments });
    this.#timers.clearTimeout(this.#timer);
    this.#timer = this.#timers.setTimeout(() => this.flush().catch(() => {}), PAUSE); // `problem` of the store tells
  }

  clear(id) {
    this.write(id, {});
    return this.flush();
  }

  async flush() {
    const changes = this.#taken();
    if (changes.length) await this.#records.commit(changes);
  }

  #taken() {
    this.#timers.clearTimeout(this.#timer);
    const changes = [...this.#waiting].map(([id, draft]) => this.#change(id, draft));
    this.#waiting.clear();
    return changes;
  }

  #change(id, { text, attachments }) {
    if (!text && !attachments.length) return { store: "drafts", delete: id };
    const blobs = blobsOf(attachments);
    return { store: "drafts", put: { id, text, attachments, ...(blobs.length && { blobs }), updatedAt: this.#now() } };
  }
}
