// One streamed answer, read once.

import assert from "node:assert/strict";
import test from "node:test";

import { SSEStreamReader, StreamError } from "../../llms/ui/streaming.mjs";
import { DONE, Stage, encode, event, json, piece, response } from "./stage.mjs";

const open = (parts, { stage = new Stage(), signal, silence, ...options } = {}) =>
  new SSEStreamReader(response(parts, options), { environment: stage.environment, signal, silence });

async function collect(reader) {
  const events = [];
  for await (const { type, data } of reader.readEvents()) events.push([type, data.content ?? data.message ?? data.final_response]);
  return events;
}

async function failure(reader) {
  const error = await reader.readToCompletion().then(
    () => assert.fail("It was taken for a whole answer."),
    (reason) => reason,
  );
  assert.ok(error instanceof StreamError, String(error.stack));
  return error;
}

test("chunks, progress and the end, in order", async () => {
  const reader = open([
    event({ choices: [], llms: { state: "loading", percent: 50, message: "Loading" } }),
    event(piece("Hel")) + event(piece("lo")),
    event({ ...piece("", "stop"), llms: { tokens: 2 } }),
    event({ choices: [], usage: { total_tokens: 5 } }) + DONE,
  ]);
  assert.equal(reader.isStreaming, false);
  assert.deepEqual(await collect(reader), [
    ["status", "Loading"],
    ["chunk", "Hel"],
    ["chunk", "lo"],
    ["chunk", ""],
    ["status", undefined],
    ["chunk", ""],
    ["complete", "Hello"],
  ]);
  assert.equal(reader.isStreaming, false);
  assert.deepEqual(reader.completion.usage, { total_tokens: 5 });
});

test("progress is a part of one where a percentage is known", async () => {
  const reader = open([event({ choices: [], llms: { percent: 25 } }), DONE]);
  for await (const { type, data } of reader.readEvents()) if (type === "status") assert.deepEqual(data, { percent: 25, progress: 0.25 });
});

test("it counts bytes and events while it streams", async () => {
  const reader = open([event(piece("ä")), DONE]);
  for await (const { type } of reader.readEvents()) if (type === "chunk") assert.equal(reader.isStreaming, true);
  assert.equal(reader.bytesReceived, encode(event(piece("ä")) + DONE).byteLength);
  assert.equal(reader.eventsReceived, 2);
});

test("a character split between two packets arrives whole", async () => {
  const bytes = encode(event(piece("€")) + DONE);
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    assert.equal(await open([bytes.slice(0, cut), bytes.slice(cut)]).readToCompletion(), "€");
  }
});

test("callbacks: text with its chunk, messages with their status, the end", async () => {
  const calls = [];
  const reader = open([event({ choices: [], llms: { message: "queued" } }), event(piece("a", "stop")), DONE]);
  const text = await reader.readToCompletion({
    onChunk: (content, chunk) => calls.push(["chunk", content, chunk.choices[0].finish_reason]),
    onStatus: (message, status) => calls.push(["status", message, status.message]),
    onComplete: ({ final_response }) => calls.push(["complete", final_response]),
  });
  assert.equal(text, "a");
  assert.deepEqual(calls, [["status", "queued", "queued"], ["chunk", "a", "stop"], ["complete", "a"]]);
});

test("listeners hear data, complete or error, and may leave", async () => {
  const heard = [];
  const reader = open([event(piece("a")), event({ error: { message: "broken", code: "upstream_unavailable" } })]);
  reader.on("data", ({ type }) => heard.push(type));
  reader.on("error", ({ code }) => heard.push(code));
  reader.on("complete", () => heard.push("complete"));
  reader.on("data", () => assert.fail("has left"))();
  await failure(reader);
  assert.deepEqual(heard, ["chunk", "upstream_unavailable"]);
  assert.throws(() => reader.on("dada", () => {}), /"data", "error" or "complete"/);
});

test("a fault of the caller stays the caller's", async () => {
  const reader = open([event(piece("a")), DONE]);
  const fault = new RangeError("mine");
  await assert.rejects(reader.readToCompletion({ onChunk: () => { throw fault; } }), fault);
});

test("a response is read once, and says so", async () => {
  const reader = open([DONE]);
  await reader.readToCompletion();
  await assert.rejects(reader.readToCompletion(), /one reader for each response/);
});

test("an end without [DONE] and without finish reason is a cut, and the text is kept", async () => {
  const error = await failure(open([event(piece("so f")), event(piece("ar"))]));
  assert.equal(error.type, "NETWORK");
  assert.equal(error.code, "stream_truncated");
  assert.equal(error.text, "so far");
  assert.equal(error.completion.choices[0].message.content, "so far");
  assert.equal(error.afterFirstChunk, true);
});

test("an empty stream is a cut; one with only [DONE] is an empty answer", async () => {
  assert.equal((await failure(open([]))).code, "stream_truncated");
  assert.equal((await failure(open([": ping\n\n"]))).code, "stream_truncated");
  assert.equal(await open([DONE]).readToCompletion(), "");
});

test("a finish reason without [DONE], or [DONE] without finish reason, is an end", async () => {
  assert.equal(await open([event(piece("a", "stop"))]).readToCompletion(), "a");
  assert.equal(await open([event(piece("a")), DONE]).readToCompletion(), "a");
});

test("of two choices both must have ended", async () => {
  const second = { choices: [{ index: 1, delta: { content: "b" }, finish_reason: null }] };
  assert.equal((await failure(open([event(piece("a", "stop")) + event(second)]))).code, "stream_truncated");
});

test("a last event without a blank line counts when it is whole", async () => {
  assert.equal(await open([event(piece("a")), "data: [DONE]"]).readToCompletion(), "a");
  assert.equal(await open([event(piece("a")), `data: ${JSON.stringify(piece("b", "stop"))}`]).readToCompletion(), "ab");
  const half = `data: ${JSON.stringify(piece("b", "stop"))}`.slice(0, -1);
  assert.equal((await failure(open([event(piece("a")), half]))).text, "a");
});

test("nothing is read after [DONE]", async () => {
  const answer = response([event(piece("a")) + DONE + event(piece("b"))], { open: true });
  assert.equal(await new SSEStreamReader(answer).readToCompletion(), "a");
  assert.equal(answer.state.isCancelled, true);
});

test("an error event keeps its code, its message and the text before it", async () => {
  const payload = { message: "The line is full.", type: "rate_limit", code: "queue_full", param: "model", retry_after: 2.5, stream_id: "s", last_event_id: "4" };
  const error = await failure(open([event(piece("a")), event({ error: payload })]));
  assert.equal(error.type, "RATE_LIMIT");
  assert.deepEqual(
    [error.message, error.code, error.param, error.retryAfter, error.streamId, error.lastEventId, error.text, error.retryable],
    ["The line is full.", "queue_full", "model", 2.5, "s", "4", "a", true],
  );
});

for (const [payload, type, message] of [
  [{ error: "no more" }, "SERVER", "no more"],
  [{ error: { message: "slow", code: "upstream_timeout" } }, "TIMEOUT", "slow"],
  [{ error: { message: "gone", code: "upstream_truncated" } }, "NETWORK", "gone"],
  [{ error: { message: "stop", code: "cancelled" } }, "CANCELLED", "stop"],
  [{ error: { message: "odd", code: "toString" } }, "SERVER", "odd"],
  [{ error: {} }, "SERVER", "The server reported an error."],
]) {
  test(`the error event ${JSON.stringify(payload)} is of the class ${type}`, async () => {
    const error = await failure(open([event(payload)]));
    assert.deepEqual([error.type, error.message], [type, message]);
  });
}

test("a cut connection keeps the text; after the finish reason it is no loss", async () => {
  const error = await failure(open([event(piece("so far")), new TypeError("network error")]));
  assert.deepEqual([error.type, error.text, error.retryable], ["NETWORK", "so far", true]);
  assert.equal(error.cause.message, "network error");
  assert.equal(await open([event(piece("all", "stop")), new TypeError("network error")]).readToCompletion(), "all");
});

test("silence ends a dead connection; a comment is a sign of life", async () => {
  const stage = new Stage();
  const answer = response([event(piece("a")), ": ping\n\n"], { open: true });
  const reader = new SSEStreamReader(answer, { environment: stage.environment, silence: 45_000 });
  const end = failure(reader);
  await stage.advance(44_000);
  assert.equal(reader.isStreaming, true);
  await stage.advance(1000);
  const error = await end;
  assert.deepEqual([error.type, error.code, error.text], ["TIMEOUT", "silence", "a"]);
  assert.equal(answer.state.isCancelled, true);
  assert.equal(stage.pending, 0);
});

test("a stream that keeps speaking is never cut", async () => {
  const stage = new Stage();
  let controller;
  const body = new ReadableStream({ start: (given) => void (controller = given) });
  const reader = new SSEStreamReader(new Response(body), { environment: stage.environment, silence: 45_000 });
  const end = reader.readToCompletion();
  for (let minute = 0; minute < 20; minute += 1) {
    controller.enqueue(encode(": ping\n\n"));
    await stage.advance(30_000);
  }
  controller.enqueue(encode(event(piece("late")) + DONE));
  assert.equal(await stage.until(end), "late");
});

test("the time that the caller takes is no silence", async () => {
  const stage = new Stage();
  const reader = open([event(piece("a")), event(piece("b", "stop")), DONE], { stage });
  for await (const { type } of reader.readEvents()) if (type === "chunk") await stage.advance(100_000);
  assert.equal(reader.text, "ab");
});

test("silence after the finish reason is no error", async () => {
  const stage = new Stage();
  const end = open([event(piece("all", "stop"))], { stage, open: true }).readToCompletion();
  assert.equal(await stage.until(end), "all");
});

test("cancel ends the download and says so, with the text", async () => {
  const answer = response([event(piece("a"))], { open: true });
  const reader = new SSEStreamReader(answer);
  const end = failure(reader);
  reader.on("data", () => reader.cancel());
  const error = await end;
  assert.deepEqual([error.type, error.text, error.retryable], ["CANCELLED", "a", false]);
  assert.equal(answer.state.isCancelled, true);
  assert.equal(reader.isStreaming, false);
});

test("cancel before anything was read", async () => {
  const answer = response([event(piece("a"))], { open: true });
  const reader = new SSEStreamReader(answer);
  reader.cancel();
  assert.equal((await failure(reader)).type, "CANCELLED");
});

test("a signal cancels, also one that had spoken before", async () => {
  const controller = new AbortController();
  const reader = open([event(piece("a"))], { open: true, signal: controller.signal });
  const end = failure(reader);
  reader.on("data", () => controller.abort());
  assert.deepEqual([(await end).type, (await end).text], ["CANCELLED", "a"]);
  assert.equal((await failure(open([DONE], { signal: AbortSignal.abort() }))).type, "CANCELLED");
});

test("leaving the loop ends the download", async () => {
  const answer = response([event(piece("a")) + event(piece("b"))], { open: true });
  const reader = new SSEStreamReader(answer);
  for await (const { type } of reader.readEvents()) if (type === "chunk") break;
  assert.equal(answer.state.isCancelled, true);
  assert.equal(reader.isStreaming, false);
});

test("a refusal becomes an error with all that was said", async () => {
  const body = { error: { message: "Unknown model.", type: "invalid_request_error", param: "model", code: "model_not_found" } };
  const headers = { "x-request-id": "r1", "x-llms-provider": "p", "x-llms-model": "p/m" };
  const error = await failure(new SSEStreamReader(json(body, { status: 404, headers })));
  assert.deepEqual(
    [error.type, error.status, error.code, error.param, error.message, error.retryable, error.requestId, error.provider, error.model],
    ["SERVER", 404, "model_not_found", "model", "Unknown model.", false, "r1", "p", "p/m"],
  );
});

for (const [status, headers, type, retryable, retryAfter] of [
  [429, { "retry-after": "7" }, "RATE_LIMIT", true, 7],
  [429, { "retry-after": "1", "retry-after-ms": "1500" }, "RATE_LIMIT", true, 1.5],
  [503, { "retry-after": "Thu, 01 Jan 2026 00:00:30 GMT" }, "SERVER", true, 30],
  [503, { "retry-after": "Wed, 31 Dec 2025 00:00:00 GMT" }, "SERVER", true, 0],
  [503, { "retry-after": "soon" }, "SERVER", true, null],
  [502, { "x-should-retry": "false" }, "SERVER", false, null],
  [504, {}, "TIMEOUT", true, null],
  [408, {}, "TIMEOUT", true, null],
  [400, {}, "SERVER", false, null],
  [401, {}, "SERVER", false, null],
]) {
  test(`status ${status} with ${JSON.stringify(headers)} is ${type}`, async () => {
    const answer = json({ error: { message: "no" } }, { status, headers });
    const error = await failure(new SSEStreamReader(answer, { environment: new Stage().environment }));
    assert.deepEqual([error.type, error.status, error.retryable, error.retryAfter], [type, status, retryable, retryAfter]);
  });
}

test("refusals without JSON, with a page, or with nothing", async () => {
  const refuse = (text) => failure(new SSEStreamReader(response([text], { status: 502, type: "text/plain" })));
  assert.equal((await refuse("upstream fell over")).message, "upstream fell over");
  assert.equal((await refuse("<html><h1>502</h1>")).message, "The server answered 502.");
  assert.equal((await refuse("")).message, "The server answered 502.");
  assert.equal((await refuse('{"detail": "gone"}')).message, "gone");
});

test("no quota left is not asked for again", async () => {
  const error = await failure(new SSEStreamReader(json({ error: { message: "pay", code: "insufficient_quota" } }, { status: 429 })));
  assert.deepEqual([error.type, error.retryable], ["RATE_LIMIT", false]);
});

test("an answer in one piece counts as one chunk", async () => {
  const whole = { id: "x", choices: [{ index: 0, message: { role: "assistant", content: "all" }, finish_reason: "stop" }], usage: { total_tokens: 3 } };
  const reader = new SSEStreamReader(json(whole));
  assert.deepEqual(await collect(reader), [["chunk", "all"], ["complete", "all"]]);
  assert.equal(reader.completion.usage.total_tokens, 3);
  assert.equal((await failure(new SSEStreamReader(json({ error: { message: "no", code: "internal_error" } })))).code, "internal_error");
});

test("a page is no stream", async () => {
  const error = await failure(new SSEStreamReader(response(["<html>"], { type: "text/html; charset=utf-8" })));
  assert.deepEqual([error.type, error.code], ["PARSE", "not_a_stream"]);
});

test("a broken event among chunks is an error, not a hole in the text", async () => {
  const error = await failure(open([event(piece("a")), 'data: {"choices": [\n\n', event(piece("b", "stop")), DONE]));
  assert.deepEqual([error.type, error.code, error.text], ["PARSE", "malformed_event", "a"]);
  assert.equal((await failure(open(['data: {"choices": [\n\n']))).type, "PARSE");
});

test("pings and objects of unknown kinds mean nothing", async () => {
  const parts = ["event: ping\ndata: {}\n\n", "data:\n\n", event({ what: 1 }), event(piece("a", "stop")), event({ object: "thing" }), DONE];
  assert.equal(await open(parts).readToCompletion(), "a");
});

const LEGACY = {
  "typed objects": [
    [
      event({ type: "status", data: { message: "Working", progress: 0.5 } }),
      event({ type: "chunk", data: { content: "Hel", index: 0 } }),
      event({ type: "chunk", data: { content: "lo", index: 1 } }),
      event({ type: "complete", data: { final_response: "Hello" } }),
    ],
    [["status", "Working"], ["chunk", "Hel"], ["chunk", "lo"], ["chunk", ""], ["complete", "Hello"]],
  ],
  "typed objects with all the text at the end": [
    [event({ type: "complete", data: { final_response: "Hello" } })],
    [["chunk", "Hello"], ["complete", "Hello"]],
  ],
  "pieces with a type": [
    [event({ chunk: "Wait", type: "status" }), event({ chunk: "Hel", type: "chunk" }), event({ chunk: "lo" })],
    [["status", "Wait"], ["chunk", "Hel"], ["chunk", "lo"], ["complete", "Hello"]],
  ],
  "text that gathers": [
    [event({ text: "Hel", accumulated_text: "Hel", finished: false }), event({ text: "lo", finished: true, finish_reason: "length" })],
    [["chunk", "Hel"], ["chunk", "lo"], ["complete", "Hello"]],
  ],
  "raw text": [
    ["data: Hel\n\n", "data: lo \n\n", "data: 42\n\n", "data: {a}\ndata: b\n\n", DONE],
    [["chunk", "Hel"], ["chunk", "lo "], ["chunk", "42"], ["chunk", "{a}\nb"], ["complete", "Hello 42{a}\nb"]],
  ],
  "raw text without an end": [["data: all\n\n", "data: of it"], [["chunk", "all"], ["chunk", "of it"], ["complete", "allof it"]]],
};

for (const [name, [parts, expected]] of Object.entries(LEGACY)) {
  test(`an older shape of streams: ${name}`, async () => assert.deepEqual(await collect(open(parts)), expected));
}

test("typed objects that never complete are a cut; their errors are errors", async () => {
  assert.equal((await failure(open([event({ type: "chunk", data: { content: "a" } })]))).code, "stream_truncated");
  const error = await failure(open([event({ type: "error", data: { code: "RATE_LIMIT", message: "Too many requests" } })]));
  assert.deepEqual([error.type, error.message], ["RATE_LIMIT", "Too many requests"]);
});

test("ids are remembered for whoever wants to go on", async () => {
  const answer = response([`id: 1\n${event(piece("a"))}`, `id: 2\n${event(piece("b"))}`], { headers: { "x-llms-stream-id": "s9" } });
  const error = await failure(new SSEStreamReader(answer));
  assert.deepEqual([error.lastEventId, error.streamId, error.text], ["2", "s9", "ab"]);
});
