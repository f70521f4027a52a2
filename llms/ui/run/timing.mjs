// How fast an answer comes. All times are milliseconds of one clock that never goes back.

import { tokensOf } from "./usage.mjs";

const FIRST_BUCKET = 250; // milliseconds
const BUCKETS = 64; // when there are more, each takes twice the time
const GAPS = 4096; // the newest that count for the percentile

export class Timing {
  #start;
  #first;
  #last = null;
  #letters;
  #told = null; // tokens, by the server's own count
  #toldLetters = 0; // letters that had come then
  #gaps = [];
  #next = 0;
  #buckets = [];
  #width = FIRST_BUCKET;

  // first, letters: when the first of so many letters had come, where an answer is gone on with that another page began.
  constructor(start, { first = null, letters = 0 } = {}) {
    this.#start = start;
    this.#first = first;
    this.#letters = letters;
  }

  // Text or thoughts came, so many letters of it.
  add(letters, now) {
    if (letters <= 0) return;
    this.#first ??= now;
    if (this.#last !== null) this.#gap(now - this.#last);
    this.#last = now;
    this.#letters += letters;
    this.#count(letters, now);
  }

  // The server counted so many tokens up to now.
  tell(tokens) {
    if (!Number.isFinite(tokens)) return;
    this.#told = tokens;
    this.#toldLetters = this.#letters;
  }

  // {elapsed, ttft, tokens, tokensPerSecond, isEstimate} so far; null for what cannot be known yet.
  now(now) {
    const tokens = (this.#told ?? 0) + tokensOf(this.#letters - this.#toldLetters);
    const soFar = { elapsed: now - this.#start, ttft: this.#first === null ? null : this.#first - this.#start };
    return { ...soFar, tokens, tokensPerSecond: this.#rate(tokens, now), isEstimate: this.#told === null };
  }

  // The same at the end, with {duration, p95: of the time between two pieces, curve: {width, rates: tokens a second}}.
  end(now, tokens = null) {
    this.tell(tokens);
    const { elapsed, ...figures } = this.now(now);
    return { ...figures, duration: elapsed, p95: percentile(this.#gaps, 0.95), curve: this.#curve(figures.tokens) };
  }

  // An answer in one piece has no writing time of its own: all of it counts.
  #rate(tokens, now) {
    if (this.#first === null || !tokens) return null;
    const since = this.#gaps.length ? this.#first : this.#start;
    const seconds = (now - since) / 1000;
    return seconds > 0 ? tokens / seconds : null;
  }

  #gap(milliseconds) {
    this.#gaps[this.#next] = milliseconds;
    this.#next = (this.#next + 1) % GAPS;
  }

  #count(letters, now) {
    let at = Math.floor((now - this.#first) / this.#width);
    while (at >= BUCKETS) {
      this.#buckets = halved(this.#buckets);
      this.#width *= 2;
      at = Math.floor((now - this.#first) / this.#width);
    }
    while (this.#buckets.length <= at) this.#buckets.push(0);
    this.#buckets[at] += letters;
  }

  // Letters become tokens in the proportion of the whole answer.
  #curve(tokens) {
    const share = this.#letters ? tokens / this.#letters : 0;
    return { width: this.#width, rates: this.#buckets.map((letters) => round((letters * share * 1000) / this.#width)) };
  }
}

// The value below which so large a part of the values lies; null of none.
export function percentile(values, part) {
  if (!values.length) return null;
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)];
}

function halved(buckets) {
  return Array.from({ length: Math.ceil(buckets.length / 2) }, (_, index) => buckets[index * 2] + (buckets[index * 2 + 1] ?? 0));
}

function round(value) {
  return Math.round(value * 10) / 10;
}
