// Images and other attachments by their content: the same bytes are kept once, however often they are used.

import { sha256 } from "./sha256.mjs";

const REST = 3_600_000; // milliseconds for which nobody need refer to a new blob
const SLICE = 32_768;

export class Blobs {
  #records;
  #now;
  #urls = new Map();

  constructor({ records, now }) {
    this.#records = records;
    this.#now = now;
  }

  // Keeps a Blob or File; returns {blob: id, mime, size}, to be a part with its type and name.
  async keep(file) {
    const bytes = await file.arrayBuffer();
    const [id, type] = [await sha256(bytes), file.type || "application/octet-stream"];
    const edit = (record) => record ?? { id, type, size: bytes.byteLength, bytes, createdAt: this.#now() };
    await this.#records.commit([{ store: "blobs", id, edit }], { relaxed: false });
    return { blob: id, mime: type, size: bytes.byteLength };
  }

  // {id, type, size, bytes}; undefined where it is not there.
  read(id) {
    return this.#records.get("blobs", id);
  }

  // An address that the page can show, for as long as the page lives; null where the blob is not there.
  async url(id) {
    if (!this.#urls.has(id)) {
      const record = await this.read(id);
      if (!record) return null;
      this.#urls.set(id, URL.createObjectURL(new Blob([record.bytes], { type: record.type })));
    }
    return this.#urls.get(id);
  }

  // Deletes what no message and no draft refers to; returns how many.
  async sweep() {
    let deleted = 0;
    for (const id of await this.#records.ids("blobs")) {
      const uses = await Promise.all(["messages", "drafts"].map((store) => this.#records.count(store, "blobs", id)));
      if (uses.some(Boolean)) continue;
      const edit = (record) => (record && this.#now() - record.createdAt > REST ? null : undefined);
      deleted += (await this.#records.commit([{ store: "blobs", id, edit }])).length;
    }
    return deleted;
  }
}

export function base64(bytes) {
  const given = new Uint8Array(bytes);
  let text = "";
  for (let at = 0; at < given.length; at += SLICE) text += String.fromCharCode(...given.subarray(at, at + SLICE));
  return btoa(text);
}

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
}

export function dataUrl({ type, bytes }) {
  return `data:${type};base64,${base64(bytes)}`;
}
