// The objects of a PDF file, as far as its text needs them. The table of contents at the end of a file is not trusted:
// objects are found by their own words, so files whose end is missing are read too.
//
// Values: numbers, strings (Latin-1, one character a byte), Name, Reference, arrays, Maps, true, false, null.

export class Name {
  constructor(text) {
    this.text = text;
  }
}

export class Reference {
  constructor(number) {
    this.number = number;
  }
}

// An operator of a content stream, or any other bare word.
export class Word {
  constructor(text) {
    this.text = text;
  }
}

const SPACE = /[\0\t\n\f\r ]/;
const DELIMITER = /[\0\t\n\f\r ()<>[\]{}/%]/;
const ESCAPES = { n: "\n", r: "\r", t: "\t", b: "\b", f: "\f" };
const CONSTANTS = new Map([["true", true], ["false", false], ["null", null]]);
const DEEPEST = 60;

// Reads values one after the other.
export class Reader {
  constructor(source, at = 0) {
    this.source = source;
    this.at = at;
  }

  // The next value; undefined at the end, and for a bracket that closes what is read around it.
  next(depth = 0) {
    this.#skip();
    const letter = this.source[this.at];
    if (letter === undefined || depth > DEEPEST) return undefined;
    if (letter === "/") return this.#name();
    if (letter === "(") return this.#text();
    if (letter === "[") return this.#list("]", depth);
    if (letter === "<") return this.source[this.at + 1] === "<" ? this.#map(depth) : this.#hex();
    if ("])}>{".includes(letter)) return void (this.at += this.source.startsWith(">>", this.at) ? 2 : 1);
    return this.#word();
  }

  #skip() {
    for (;;) {
      while (this.at < this.source.length && SPACE.test(this.source[this.at])) this.at += 1;
      if (this.source[this.at] !== "%") return;
      while (this.at < this.source.length && !"\r\n".includes(this.source[this.at])) this.at += 1;
    }
  }

  #bare() {
    const start = this.at;
    while (this.at < this.source.length && !DELIMITER.test(this.source[this.at])) this.at += 1;
    return this.source.slice(start, this.at);
  }

  #name() {
    this.at += 1;
    return new Name(this.#bare().replace(/#([0-9a-fA-F]{2})/g, (_, code) => String.fromCharCode(parseInt(code, 16))));
  }

  // A number, the reference "12 0 R", or a word.
  #word() {
    const text = this.#bare();
    if (CONSTANTS.has(text)) return CONSTANTS.get(text);
    const number = Number(text);
    if (Number.isNaN(number)) return new Word(text);
    const [, whole] = /^\s+\d+\s+(R)\b/.exec(this.source.slice(this.at, this.at + 24)) ?? [];
    if (!whole || !/^\d+$/.test(text)) return number;
    this.at = this.source.indexOf("R", this.at) + 1;
    return new Reference(number);
  }

  #text() {
    let [text, depth] = ["", 1];
    for (this.at += 1; this.at < this.source.length; this.at += 1) {
      const letter = this.source[this.at];
      if (letter === "\\") text += this.#escape();
      else {
        if (letter === "(") depth += 1;
        if (letter === ")" && (depth -= 1) === 0) break;
        text += letter;
      }
    }
    this.at += 1;
    return text;
  }

  #escape() {
    const [octal] = /^[0-7]{1,3}/.exec(this.source.slice(this.at + 1, this.at + 4)) ?? [];
    if (octal) {
      this.at += octal.length;
      return String.fromCharCode(parseInt(octal, 8) & 255);
    }
    this.at += 1;
    const letter = this.source[this.at];
    if (letter === "\r" && this.source[this.at + 1] === "\n") this.at += 1;
    return letter === "\n" || letter === "\r" ? "" : (ESCAPES[letter] ?? letter ?? "");
  }

  #hex() {
    const end = this.source.indexOf(">", this.at);
    const digits = this.source.slice(this.at + 1, end < 0 ? undefined : end).replace(/[^0-9a-fA-F]/g, "");
    this.at = end < 0 ? this.source.length : end + 1;
    return digits.replace(/..?/g, (pair) => String.fromCharCode(parseInt(pair.padEnd(2, "0"), 16)));
  }

  #list(close, depth) {
    const values = [];
    this.at += 1;
    for (;;) {
      this.#skip();
      if (this.at >= this.source.length) return values;
      if (this.source[this.at] === close) return (this.at += 1), values;
      const value = this.next(depth + 1);
      if (value !== undefined) values.push(value);
    }
  }

  #map(depth) {
    const entries = new Map();
    this.at += 2;
    for (;;) {
      this.#skip();
      if (this.at >= this.source.length) return entries;
      if (this.source.startsWith(">>", this.at)) return (this.at += 2), entries;
      const key = this.next(depth + 1);
      if (!(key instanceof Name)) continue;
      entries.set(key.text, this.next(depth + 1));
    }
  }
}

// All objects by number: {value, data}; data is the raw content of a stream, Latin-1.
export function objectsIn(source) {
  const objects = new Map();
  for (const { index, 0: head, 1: number } of source.matchAll(/(\d+)\s+\d+\s+obj\b/g)) {
    const reader = new Reader(source, index + head.length);
    const value = reader.next();
    const [opening] = /^\s*stream\r?\n?/.exec(source.slice(reader.at, reader.at + 40)) ?? [];
    const data = opening && value instanceof Map ? dataAt(source, reader.at + opening.length, value.get("Length")) : null;
    objects.set(Number(number), { value, data });
  }
  return objects;
}

function dataAt(source, start, length) {
  if (typeof length === "number" && /^\s*endstream/.test(source.slice(start + length, start + length + 16))) {
    return source.slice(start, start + length);
  }
  const end = source.indexOf("endstream", start);
  return source.slice(start, end < 0 ? undefined : end);
}
