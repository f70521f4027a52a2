// Search in titles and texts of all threads. The index is built in idle moments, thread by thread, newest first, and
// follows every change; until a text is in it, its title is found all the same.

import MiniSearch from "minisearch";

import { effect, signal } from "../view.mjs";
import { textOf } from "./message.mjs";
import { inOrder } from "./order.mjs";

const MOST = 50; // threads of one answer
const FEW = 5; // threads, below which words are looked for apart from each other
const AROUND = 60; // characters of a snippet on either side
const SHORT = 3; // milliseconds: too little of an idle moment to begin with a text
const WIDE = /[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/; // scripts that write without spaces
const BREAK = /[\n\r\p{Z}\p{P}\p{S}]+/u;
const MARKS = /\p{M}+/gu;

export class ThreadSearch {
  #records;
  #progress;
  #idle;
  #index = new MiniSearch({ fields: ["title", "text"], storeFields: ["threadId"], tokenize: words, processTerm: plain });
  #titles = new Map();
  #filled = new Set();
  #building = null;
  #stale = new Set();

  // progress: a signal that goes from 0 to 1 as texts come into the index. idle(callback): calls back when the page has
  // nothing better to do; the callback gets {timeRemaining()}.
  constructor({ records, progress = signal(0), idle = idleOf(globalThis) }) {
    this.#records = records;
    this.#progress = progress;
    this.#idle = idle;
    effect(() => this.#takeTitles(records.threads.value));
    records.onChange((note, record) => this.#changed(note, record));
  }

  // Fills the index; resolves when everything is in it. Worth calling as soon as somebody may search.
  build() {
    this.#building ??= this.#fill();
    return this.#building;
  }

  // Threads that have all words of the query, the best first, as [{threadId, messageId, score, snippet}]. messageId and
  // snippet {text, marks: [[start, end]]} are null where only the title has them.
  async search(query) {
    if (!words(query).length) return [];
    const best = new Map();
    for (const hit of this.#hits(query)) {
      if (!best.has(hit.threadId) && this.#titles.has(hit.threadId)) best.set(hit.threadId, hit);
      if (best.size === MOST) break;
    }
    return Promise.all([...best.values()].map((hit) => this.#told(hit)));
  }

  #hits(query) {
    const terms = words(query).map(plain);
    const options = { boost: { title: 3 }, combineWith: "AND", prefix: (_, index) => index === terms.length - 1 };
    if (isShort(terms)) return this.#short(query, options);
    const exact = this.#index.search(query, options);
    if (exact.length >= FEW) return exact;
    const spread = terms.length > 1 ? this.#spread(query, options, terms) : [];
    if (exact.length || spread.length) return [...exact, ...spread];
    return this.#index.search(query, { ...options, prefix: true, fuzzy: (term) => (term.length > 4 ? 0.2 : false) });
  }

  // One or two letters begin half of all words: beginnings count in titles only.
  #short(query, options) {
    const titles = this.#index.search(query, { ...options, prefix: true, fields: ["title"] });
    return [...titles, ...this.#index.search(query, { ...options, prefix: false })];
  }

  // Threads whose title and messages have all words together, though none has them alone.
  #spread(query, options, terms) {
    const threads = new Map();
    for (const hit of this.#index.search(query, { ...options, combineWith: "OR" })) {
      const known = threads.get(hit.threadId) ?? { hit, found: new Set() };
      for (const term of hit.queryTerms) known.found.add(term);
      if (known.hit.id === hit.threadId) known.hit = hit;
      threads.set(hit.threadId, known);
    }
    return [...threads.values()].filter(({ found }) => terms.every((term) => found.has(term))).map(({ hit }) => hit);
  }

  async #told({ id, threadId, score, terms }) {
    const message = id === threadId ? undefined : await this.#records.get("messages", id);
    const snippet = message ? snippetOf(textOf(message), terms) : null;
    return { threadId, messageId: message?.id ?? null, score, snippet };
  }

  async #fill() {
    let time = await this.#moment();
    for (let done = 0, rest = this.#rest(); rest.length; rest = this.#rest()) {
      for (const thread of rest) {
        this.#filled.add(thread.id);
        for (const message of await this.#records.messagesOf(thread.id)) {
          if (time.timeRemaining() < SHORT) time = await this.#moment();
          this.#put(message);
        }
        done += 1;
        this.#progress.value = done / Math.max(done, this.#records.threads.peek().size);
      }
    }
    this.#progress.value = 1;
  }

  #moment() {
    return new Promise(this.#idle);
  }

  #rest() {
    return inOrder(this.#records.threads.peek().values()).filter((thread) => !this.#filled.has(thread.id));
  }

  // Titles are few and short: they are always all in the index.
  #takeTitles(threads) {
    for (const { id, title } of threads.values()) {
      if (this.#titles.get(id) === title) continue;
      this.#titles.set(id, title);
      this.#replace({ id, threadId: id, title });
    }
    for (const id of this.#titles.keys()) {
      if (threads.has(id)) continue;
      this.#titles.delete(id);
      this.#filled.delete(id);
      this.#discard(id);
    }
  }

  #changed(note, record) {
    if (note.store === "*") return this.#again();
    if (note.store !== "messages" || !this.#building) return;
    if (note.rev === null || record === null) this.#discard(note.id);
    else if (record) this.#put(record);
    else if (!note.active) this.#readLater(note.id);
  }

  // What grows is put in when it is whole.
  #put(message) {
    if (message.active || message.role === "system") return;
    const text = textOf(message);
    if (text) this.#replace({ id: message.id, threadId: message.threadId, text });
    else this.#discard(message.id);
  }

  async #readLater(id) {
    if (this.#stale.has(id)) return;
    this.#stale.add(id);
    await this.#moment();
    this.#stale.delete(id);
    const message = await this.#records.get("messages", id);
    if (message) this.#put(message);
  }

  #again() {
    if (!this.#building) return;
    this.#filled.clear();
    this.#building = this.#building.then(() => this.#fill());
  }

  #replace(document) {
    if (this.#index.has(document.id)) this.#index.replace(document);
    else this.#index.add(document);
  }

  #discard(id) {
    if (this.#index.has(id)) this.#index.discard(id);
  }
}

// The text around the first word that was found, in one line, and where in it the words stand.
export function snippetOf(text, terms) {
  const folded = terms.map(plain).filter(Boolean);
  const found = occurrences(text, folded);
  const first = found[0]?.[0] ?? 0;
  const [start, end] = [Math.max(0, first - AROUND), Math.min(text.length, first + AROUND * 2)];
  const lead = start > 0 ? "…" : "";
  const shift = lead.length - start;
  const marks = found.filter(([from, to]) => from >= start && to <= end).map(([from, to]) => [from + shift, to + shift]);
  const line = text.slice(start, end).replace(/\s/g, " ");
  return { text: `${lead}${line}${end < text.length ? "…" : ""}`, marks };
}

function occurrences(text, terms) {
  const found = [];
  for (const { index, 0: word } of text.matchAll(/[\p{L}\p{N}\p{M}_]+/gu)) {
    const folded = plain(word);
    const term = terms.find((each) => (WIDE.test(word) ? folded.includes(each) : folded.startsWith(each)));
    if (!term) continue;
    const at = folded.length === word.length ? folded.indexOf(term) : 0;
    found.push([index + at, index + (folded.length === word.length ? at + term.length : word.length)]);
    if (found.length === 20) break;
  }
  return found;
}

// Words, and pairs of letters where a script writes without spaces.
function words(text) {
  return text.split(BREAK).filter(Boolean).flatMap((word) => (WIDE.test(word) ? pairs(word) : [word]));
}

function isShort(terms) {
  return terms.every((term) => term.length < 3);
}

function pairs(word) {
  const letters = [...word];
  return letters.length < 3 ? [word] : letters.slice(1).map((letter, index) => letters[index] + letter);
}

function plain(term) {
  const lower = term.toLowerCase();
  return /^[\x00-\x7f]*$/.test(lower) ? lower : lower.normalize("NFKD").replace(MARKS, "");
}

function idleOf({ requestIdleCallback, setTimeout, performance }) {
  if (requestIdleCallback) return (callback) => requestIdleCallback(callback, { timeout: 1000 });
  return (callback) => {
    const until = performance.now() + 10;
    setTimeout(() => callback({ timeRemaining: () => until - performance.now() }), 0);
  };
}
