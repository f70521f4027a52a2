// The event stream format of the HTML standard: bytes in pieces of any size in, events out.
//
// Lines end with LF, CR or CRLF, also when the pieces part the two, or a character of UTF-8. A blank line sends an event;
// what follows the last blank line is no event, `end()` returns it for whoever wants to judge it.

import { StreamError, StreamErrorType } from "./errors.mjs";

const LINE_END = /\r\n|\n|\r/g;
const ONLY_DIGITS = /^[0-9]+$/;
const LONGEST_EVENT = 16 * 1024 * 1024;

export class EventStreamParser {
  lastEventId = "";
  retry = null; // milliseconds, as the server last asked for
  #decoder = new TextDecoder(); // drops one byte order mark, holds back half a character
  #onEvent;
  #onComment;
  #limit;
  #line = []; // pieces of a line whose end has not come
  #size = 0; // characters held of this event
  #afterReturn = false;
  #data = [];
  #type = "";
  #id = "";

  // onEvent({type, data, lastEventId}), onComment(text); limit: characters of one event.
  constructor({ onEvent, onComment = () => {}, limit = LONGEST_EVENT }) {
    this.#onEvent = onEvent;
    this.#onComment = onComment;
    this.#limit = limit;
  }

  // Takes a Uint8Array. Throws a PARSE error when an event is too large.
  feed(bytes) {
    this.#read(this.#decoder.decode(bytes, { stream: true }));
  }

  // Ends the stream; returns the event that was not sent for want of a blank line, or null.
  end() {
    this.#read(this.#decoder.decode());
    const line = this.#line.join("");
    if (line) this.#field(line);
    this.#line = [];
    return this.#take();
  }

  #read(text) {
    if (!text) return;
    let start = this.#afterReturn && text.startsWith("\n") ? 1 : 0;
    LINE_END.lastIndex = start;
    for (let end; (end = LINE_END.exec(text)); start = LINE_END.lastIndex) this.#endLine(text.slice(start, end.index));
    this.#afterReturn = text.endsWith("\r");
    if (start < text.length) this.#hold(text.slice(start));
  }

  #hold(text) {
    this.#line.push(text);
    this.#count(text.length);
  }

  #count(characters) {
    this.#size += characters;
    if (this.#size <= this.#limit) return;
    throw new StreamError(StreamErrorType.PARSE, `One event of the stream is longer than ${this.#limit} characters.`, { code: "event_too_large" });
  }

  #endLine(rest) {
    const line = this.#line.length ? this.#line.join("") + rest : rest;
    this.#line = [];
    this.#count(rest.length);
    if (line) this.#field(line);
    else this.#send();
  }

  #field(line) {
    const colon = line.indexOf(":");
    if (colon === 0) return this.#comment(line.slice(1));
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && ONLY_DIGITS.test(value)) this.retry = Number(value);
  }

  #comment(text) {
    this.#size = 0; // a server may send comments for ever: they fill nothing
    for (const line of this.#data) this.#size += line.length;
    this.#onComment(text);
  }

  #send() {
    const event = this.#take();
    if (event) this.#onEvent(event);
  }

  #take() {
    this.lastEventId = this.#id;
    const event = this.#data.length ? { type: this.#type || "message", data: this.#data.join("\n"), lastEventId: this.#id } : null;
    this.#data = [];
    this.#type = "";
    this.#size = 0;
    return event;
  }
}
