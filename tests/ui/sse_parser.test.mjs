// The parser against the HTML standard, with every split of every stream.

import assert from "node:assert/strict";
import test from "node:test";

import { EventStreamParser } from "../../llms/ui/sse/parser.mjs";
import { dice, encode } from "./stage.mjs";

function parse(pieces, options = {}) {
  const events = [];
  const comments = [];
  const parser = new EventStreamParser({ onEvent: (event) => events.push(event), onComment: (text) => comments.push(text), ...options });
  for (const piece of pieces) parser.feed(typeof piece === "string" ? encode(piece) : piece);
  return { events, comments, parser, rest: parser.end() };
}

const texts = (pieces) => parse(pieces).events.map((event) => event.data);

const CASES = {
  "one event": ["data: a\n\n", ["a"]],
  "no space after the colon": ["data:a\n\n", ["a"]],
  "only one space goes": ["data:  a\n\n", [" a"]],
  "several lines are one event": ["data: a\ndata:\ndata: b\n\n", ["a\n\nb"]],
  "a field without colon is empty": ["data\n\ndata\ndata\n\n", ["", "\n"]],
  "unknown fields mean nothing": ["foo: 1\ndata: a\nDATA: b\n\n", ["a"]],
  "carriage returns": ["data: a\rdata: b\r\rdata: c\r\r", ["a\nb", "c"]],
  "carriage return and line feed": ["data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", ["a\nb", "c"]],
  "all line ends mixed": ["data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", ["a", "b", "c"]],
  "a byte order mark": ["\ufeffdata: a\n\n", ["a"]],
  "a second byte order mark is text": ["\ufeff\ufeffdata: a\n\ndata: b\n\n", ["b"]],
  "comments": [": hello\ndata: a\n:\n\n: b\n\n", ["a"]],
  "blank lines alone": ["\n\n\ndata: a\n\n\n\n", ["a"]],
  "an event without its blank line is none": ["data: a\n\ndata: b\n", ["a"]],
  "letters of one to four bytes": ["data: aä€𝄞\u2028\u0085\n\n", ["aä€𝄞\u2028\u0085"]],
  "a zero is text": ["data: a\0b\n\n", ["a\0b"]],
  "a colon in the value": ["data: a: b\n\n", ["a: b"]],
};

for (const [name, [stream, expected]] of Object.entries(CASES)) {
  test(`${name}, in one piece, byte by byte, and cut in two anywhere`, () => {
    const bytes = encode(stream);
    assert.deepEqual(texts([bytes]), expected);
    assert.deepEqual(texts([...bytes].map((byte) => Uint8Array.of(byte))), expected);
    for (let cut = 0; cut <= bytes.length; cut += 1) assert.deepEqual(texts([bytes.slice(0, cut), bytes.slice(cut)]), expected);
  });
}

test("random streams mean the same in random pieces", () => {
  const { below, pick } = dice(7);
  const words = ["data: x", "data:ü€", "data", "id: 4", "id", "event: e", "retry: 10", ": c", "", "", "nonsense", "data: 😀 a"];
  for (let round = 0; round < 400; round += 1) {
    const stream = Array.from({ length: 1 + below(20) }, () => pick(words) + pick(["\n", "\r", "\r\n"])).join("");
    const bytes = encode(stream);
    const pieces = [];
    for (let at = 0; at < bytes.length; ) pieces.push(bytes.slice(at, (at += 1 + below(5))));
    const { events, comments, rest, parser } = parse(pieces);
    const whole = parse([bytes]);
    assert.deepEqual({ events, comments, rest, retry: parser.retry, id: parser.lastEventId }, {
      events: whole.events,
      comments: whole.comments,
      rest: whole.rest,
      retry: whole.parser.retry,
      id: whole.parser.lastEventId,
    });
  }
});

test("types and ids: a type lasts for one event, an id until the next one", () => {
  const { events } = parse(["event: e\nid: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n"]);
  assert.deepEqual(events, [
    { type: "e", data: "a", lastEventId: "1" },
    { type: "message", data: "b", lastEventId: "1" },
    { type: "message", data: "c", lastEventId: "" },
  ]);
});

test("an id counts without data, but not with a zero in it", () => {
  const { parser, events } = parse(["id: 7\n\nid: a\0b\n\n"]);
  assert.equal(parser.lastEventId, "7");
  assert.deepEqual(events, []);
});

test("retry is a whole number or nothing", () => {
  assert.equal(parse(["retry: 250\n\n"]).parser.retry, 250);
  assert.equal(parse(["retry: 1\nretry: 2.5\nretry: -3\nretry: x\nretry:\n\n"]).parser.retry, 1);
});

test("comments are told as they come, before the event they stand in", () => {
  assert.deepEqual(parse([":a\n: b\n:\n"]).comments, ["a", " b", ""]);
});

test("an event that lacks its blank line is handed to whoever asks, not sent", () => {
  assert.deepEqual(parse(["data: a\ndata: b"]).rest, { type: "message", data: "a\nb", lastEventId: "" });
  assert.equal(parse(["data: a\n\n"]).rest, null);
});

test("half a character at the end becomes the sign for what is missing", () => {
  assert.equal(parse([encode("data: €").slice(0, -1)]).rest.data, "�");
});

test("one event may be large, but not endless", () => {
  assert.equal(texts([`data: ${"x".repeat(3_000_000)}\n\n`])[0].length, 3_000_000);
  const flood = () => parse(Array(40).fill("y".repeat(1000)), { limit: 30_000 });
  assert.throws(flood, { type: "PARSE", code: "event_too_large" });
  assert.throws(() => parse(Array(4000).fill("data: 123456\n"), { limit: 30_000 }), { code: "event_too_large" });
});

test("comments for ever fill nothing", () => {
  assert.deepEqual(parse(Array(4000).fill(": keep alive, please\n"), { limit: 30_000 }).events, []);
});

test("a large event in many pieces takes no time that grows with its square", () => {
  const piece = encode("x".repeat(1000));
  const start = performance.now();
  assert.equal(texts([encode("data: "), ...Array(8000).fill(piece), encode("\n\n")])[0].length, 8_000_000);
  assert.ok(performance.now() - start < 5000);
});
