// Presets: a system prompt, a model and parameters under a name, to begin threads with.

import { validParameters } from "../settings.mjs";
import { edited } from "./threads.mjs";

export class Presets {
  #records;
  #now;
  #newId;

  constructor({ records, now, newId }) {
    this.#records = records;
    this.#now = now;
    this.#newId = newId;
  }

  // Creates a preset, or with an id changes one. systemPrompt and model of null leave a thread's own.
  async save({ id = this.#newId(), name, systemPrompt = null, model = null, params = {} }) {
    const fields = { name: name.trim(), systemPrompt, model, params: validParameters(params) };
    const edit = (preset) => ({ id, createdAt: this.#now(), ...preset, ...fields });
    const [{ after }] = await this.#records.commit([{ store: "presets", id, edit }]);
    return after;
  }

  // Returns what `Undo` needs.
  remove(id) {
    return this.#records.commit([{ store: "presets", delete: id }]);
  }

  // Copies what a preset says onto a thread.
  apply(threadId, presetId) {
    const preset = this.#records.presets.peek().get(presetId);
    return preset ? this.#records.commit([edited(threadId, fieldsOf(preset))]) : [];
  }
}

// The fields that a thread takes from a preset.
export function fieldsOf({ systemPrompt, model, params }) {
  return { params: { ...params }, ...(systemPrompt !== null && { systemPrompt }), ...(model !== null && { model }) };
}
