// Chat by a stream: tries, waits, the way back to a whole answer, and what chunks amount to.

import assert from "node:assert/strict";
import test from "node:test";

import { StreamError, accumulateChunks, chatWithModelStream, processSSEStream } from "../../llms/ui/streaming.mjs";
import { DONE, Stage, event, json, never, piece, response } from "./stage.mjs";

const REQUEST = { model: "m", messages: [{ role: "user", content: "hi" }] };
const HELLO = () => response([event(piece("Hel")) + event(piece("lo", "stop")), DONE]);
const WHOLE = () => json({ choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }] });
const refuse = (status, headers = {}) => () => json({ error: { message: `no ${status}` } }, { status, headers });
const unreachable = () => Promise.reject(new TypeError("Failed to fetch"));

// Asks on the stage; returns what came of it, with all that was told on the way.
async function ask(stage, { request = REQUEST, ...options } = {}) {
  const told = { texts: [], statuses: [], chunks: [] };
  const onChunk = (text, chunk) => {
    told.texts.push(text);
    told.chunks.push(chunk);
  };
  const onStatus = (message, status) => told.statuses.push({ message, ...status });
  const answer = chatWithModelStream(request, onChunk, onStatus, { environment: stage.environment, ...options });
  try {
    return { ...told, completion: await stage.until(answer) };
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    return { ...told, error };
  }
}

const states = ({ statuses }) => statuses.map((status) => status.state);
const content = ({ completion }) => completion.choices[0].message.content;

test("it asks for a stream with usage and progress, and returns the completion", async () => {
  const stage = new Stage({ answers: [HELLO] });
  const outcome = await ask(stage);
  assert.equal(content(outcome), "Hello");
  assert.deepEqual(outcome.texts, ["Hel", "lo"]);
  assert.equal(outcome.chunks[1].choices[0].finish_reason, "stop");
  const [{ url, body, headers }] = stage.requests;
  assert.equal(url, "/v1/chat/completions");
  assert.deepEqual(body, { ...REQUEST, stream: true, stream_options: { include_usage: true } });
  assert.deepEqual([headers["Content-Type"], headers["X-LLMS-Stream"]], ["application/json", "progress"]);
  assert.equal(stage.pending, 0);
});

test("address, headers and the response are the caller's", async () => {
  const stage = new Stage({ answers: [HELLO] });
  let seen;
  await ask(stage, { url: "/x", headers: { "X-LLMS-Stream": "resumable, progress" }, onResponse: (given) => (seen = given) });
  assert.equal(stage.requests[0].url, "/x");
  assert.equal(stage.requests[0].headers["X-LLMS-Stream"], "resumable, progress");
  assert.equal(seen.status, 200);
});

test("without callbacks it works as well", async () => {
  const stage = new Stage({ answers: [HELLO] });
  const completion = await stage.until(chatWithModelStream(REQUEST, undefined, undefined, { environment: stage.environment }));
  assert.equal(completion.choices[0].message.content, "Hello");
});

test("progress of the server reaches onStatus", async () => {
  const stage = new Stage({ answers: [() => response([event({ choices: [], llms: { state: "queued", message: "3rd in line" } }), event(piece("a", "stop")), DONE])] });
  const { statuses } = await ask(stage);
  assert.deepEqual(statuses.map(({ state, message }) => [state, message]), [["connecting", ""], ["queued", "3rd in line"]]);
});

for (const [name, bad] of [
  ["no connection", unreachable],
  ["a 503", refuse(503)],
  ["a 429", refuse(429)],
  ["a stream cut before its first chunk", () => response([": ping\n\n", new TypeError("cut")])],
  ["an error event before the first chunk", () => response([event({ error: { message: "down", code: "upstream_unavailable" } })])],
  ["progress alone, then a cut", () => response([event({ choices: [], llms: { state: "queued" } })])],
]) {
  test(`${name} is tried again`, async () => {
    const stage = new Stage({ answers: [bad, bad, HELLO] });
    const outcome = await ask(stage);
    assert.equal(content(outcome), "Hello");
    assert.equal(stage.requests.length, 3);
    assert.deepEqual(states(outcome).filter((state) => state !== "queued"), ["connecting", "retrying", "connecting", "retrying", "connecting"]);
  });
}

test("it waits at most 1, 2, then 4 seconds, by chance anywhere below", async () => {
  for (const [random, expected] of [[1, [1000, 2000, 4000]], [0.25, [250, 500, 1000]], [0, [0, 0, 0]]]) {
    const stage = new Stage({ answers: [unreachable, unreachable, unreachable, WHOLE], random });
    const outcome = await ask(stage, { silence: 0 });
    assert.equal(content(outcome), "Hello");
    assert.deepEqual(stage.waits.filter((wait) => wait < 600_000), expected);
  }
});

test("it waits as long as the server asks", async () => {
  const stage = new Stage({ answers: [refuse(429, { "retry-after": "12" }), HELLO], random: 0 });
  const { statuses } = await ask(stage, { silence: 0 });
  assert.deepEqual(stage.waits, [12_000]);
  const retrying = statuses.find(({ state }) => state === "retrying");
  assert.deepEqual([retrying.delay, retrying.attempt, retrying.tries, retrying.error.type], [12_000, 2, 3, "RATE_LIMIT"]);
});

test("a server that asks for more than a minute is believed, and not asked again", async () => {
  const stage = new Stage({ answers: [refuse(503, { "retry-after": "600" })] });
  const { error } = await ask(stage);
  assert.deepEqual([error.type, error.retryAfter, stage.requests.length], ["SERVER", 600, 1]);
});

test("after three tries the whole answer is asked for, once", async () => {
  const stage = new Stage({ answers: [unreachable, unreachable, unreachable, WHOLE] });
  const outcome = await ask(stage);
  assert.equal(content(outcome), "Hello");
  assert.deepEqual(outcome.texts, ["Hello"]);
  assert.deepEqual(stage.requests.map(({ body }) => body.stream), [true, true, true, false]);
  assert.equal("stream_options" in stage.requests[3].body, false);
  assert.ok(states(outcome).includes("whole_answer"));
});

test("when that fails too, the error says how often, and why last", async () => {
  const stage = new Stage({ answers: [unreachable, unreachable, unreachable, refuse(503)] });
  const { error } = await ask(stage);
  assert.deepEqual([error.type, error.status, error.retryable], ["MAX_RETRIES_EXCEEDED", 503, false]);
  assert.match(error.message, /after 4 tries: no 503/);
  assert.equal(error.cause.type, "SERVER");
  assert.equal(stage.requests.length, 4);
});

test("a limit of requests is not met with one more", async () => {
  const stage = new Stage({ answers: [refuse(429)] });
  const { error } = await ask(stage);
  assert.deepEqual([error.type, error.cause.type, stage.requests.length], ["MAX_RETRIES_EXCEEDED", "RATE_LIMIT", 3]);
});

test("the way back can be closed", async () => {
  const stage = new Stage({ answers: [unreachable] });
  const { error } = await ask(stage, { fallback: false });
  assert.deepEqual([error.type, stage.requests.length], ["MAX_RETRIES_EXCEEDED", 3]);
});

test("what is no stream is asked for in one piece at once", async () => {
  const stage = new Stage({ answers: [() => response(["<html>"], { type: "text/html" }), WHOLE] });
  assert.equal(content(await ask(stage)), "Hello");
  assert.deepEqual(stage.requests.map(({ body }) => body.stream), [true, false]);
});

for (const [name, bad, type] of [
  ["400", refuse(400), "SERVER"],
  ["401", refuse(401), "SERVER"],
  ["404", refuse(404), "SERVER"],
  ["a 502 that says x-should-retry: false", refuse(502, { "x-should-retry": "false" }), "SERVER"],
]) {
  test(`${name} is not tried again`, async () => {
    const stage = new Stage({ answers: [bad] });
    const { error } = await ask(stage);
    assert.deepEqual([error.type, stage.requests.length], [type, 1]);
  });
}

for (const [name, bad, type] of [
  ["a cut", () => response([event(piece("so far")), new TypeError("cut")]), "NETWORK"],
  ["an end too soon", () => response([event(piece("so far"))]), "NETWORK"],
  ["an error event", () => response([event(piece("so far")), event({ error: { message: "x", code: "upstream_timeout" } })]), "TIMEOUT"],
  ["a broken event", () => response([event(piece("so far")), "data: {\n\n"]), "PARSE"],
  ["silence", () => response([event(piece("so far"))], { open: true }), "TIMEOUT"],
]) {
  test(`${name} after the first chunk is not tried again, and the text is kept`, async () => {
    const stage = new Stage({ answers: [bad] });
    const { error, texts } = await ask(stage);
    assert.deepEqual([error.type, error.text, stage.requests.length], [type, "so far", 1]);
    assert.equal(error.completion.choices[0].message.content, "so far");
    assert.deepEqual(texts, ["so far"]);
  });
}

test("a server that accepts and says nothing is left after 45 seconds", async () => {
  const stage = new Stage({ answers: [never, HELLO], random: 0 });
  assert.equal(content(await ask(stage)), "Hello");
  assert.ok(stage.requests[0].signal.aborted);
  assert.ok(stage.time >= 45_000 && stage.time < 50_000);
});

test("a stream that dies before its first chunk is left and tried again", async () => {
  const stage = new Stage({ answers: [() => response([": ping\n\n"], { open: true }), HELLO] });
  assert.equal(content(await ask(stage)), "Hello");
  assert.equal(stage.requests.length, 2);
});

test("a signal ends it: before, while connecting, while waiting, while streaming", async () => {
  const before = await ask(new Stage({ answers: [HELLO] }), { signal: AbortSignal.abort() });
  assert.equal(before.error.type, "CANCELLED");
  for (const [reply, text] of [[never, ""], [unreachable, ""], [() => response([event(piece("so far"))], { open: true }), "so far"]]) {
    const stage = new Stage({ answers: [reply] });
    const controller = new AbortController();
    const answer = chatWithModelStream(REQUEST, undefined, undefined, { environment: stage.environment, signal: controller.signal });
    const failure = answer.catch((reason) => reason);
    await stage.advance(100);
    controller.abort();
    const error = await failure;
    assert.deepEqual([error.type, error.text, stage.requests.length], ["CANCELLED", text, 1]);
    assert.equal(stage.pending, 0);
  }
});

test("without streaming one answer is asked for, and tried again the same", async () => {
  const stage = new Stage({ answers: [unreachable, WHOLE] });
  const outcome = await ask(stage, { request: { ...REQUEST, stream: false } });
  assert.deepEqual(outcome.texts, ["Hello"]);
  assert.deepEqual(stage.requests.map(({ body }) => body), Array(2).fill({ ...REQUEST, stream: false }));
  assert.equal("X-LLMS-Stream" in stage.requests[0].headers, false);
});

test("a whole answer may take minutes", async () => {
  const slow = () => new Promise((resolve) => stage.environment.setTimeout(() => resolve(WHOLE()), 300_000));
  const stage = new Stage({ answers: [slow] });
  assert.equal(content(await ask(stage, { request: { ...REQUEST, stream: false } })), "Hello");
});

test("processSSEStream calls with each chunk and returns them all", async () => {
  const seen = [];
  const both = { ...piece("b", "stop"), llms: { tokens: 2 } };
  const progress = { choices: [], llms: { state: "loading" } };
  const chunks = await processSSEStream(response([event(progress), event(piece("a")), event(both), DONE]), (chunk) => seen.push(chunk));
  assert.deepEqual(chunks, [progress, piece("a"), both]);
  assert.deepEqual(seen, chunks);
  assert.equal(accumulateChunks(chunks).choices[0].message.content, "ab");
});

test("processSSEStream stops by its signal", async () => {
  const controller = new AbortController();
  const reading = processSSEStream(response([event(piece("a"))], { open: true }), () => controller.abort(), controller.signal);
  await assert.rejects(reading, { type: "CANCELLED", text: "a" });
});

test("chunks amount to content, reasoning, finish reason, usage and progress", () => {
  const completion = accumulateChunks([
    { id: "c1", object: "chat.completion.chunk", created: 7, model: "m", choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }] },
    { id: "c1", choices: [{ index: 0, delta: { reasoning_content: "Let " } }], llms: { state: "thinking", tokens: 1 } },
    { id: "c1", choices: [{ index: 0, delta: { reasoning_content: "me see." } }] },
    { id: "c1", choices: [{ index: 0, delta: { content: "Hel" } }], system_fingerprint: "f" },
    { id: "c1", choices: [{ index: 0, delta: { content: "lo", annotations: [1] } }], usage: null },
    { id: "c1", choices: [{ index: 0, delta: { content: null, annotations: [2] }, finish_reason: "stop" }], llms: { state: "writing", tokens: 9 } },
    { id: "c1", choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } },
  ]);
  assert.deepEqual(completion, {
    id: "c1",
    object: "chat.completion",
    created: 7,
    model: "m",
    system_fingerprint: "f",
    choices: [
      { index: 0, message: { role: "assistant", content: "Hello", reasoning_content: "Let me see.", annotations: [1, 2] }, finish_reason: "stop" },
    ],
    usage: { prompt_tokens: 1, completion_tokens: 2 },
    llms: { state: "writing", tokens: 9 },
  });
});

test("tool calls are put together by index, by id, and by place", () => {
  const call = (fragment) => ({ choices: [{ index: 0, delta: { tool_calls: [].concat(fragment) } }] });
  const part = (text) => ({ function: { arguments: text } });
  const expected = [
    { id: "a", type: "function", function: { name: "one", arguments: '{"x":1}' } },
    { id: "b", type: "function", function: { name: "two", arguments: "{}" } },
  ];
  const calls = (chunks) => accumulateChunks(chunks).choices[0].message.tool_calls;
  const first = { id: "a", type: "function", function: { name: "one", arguments: "" } };
  const second = { id: "b", type: "function", function: { name: "two", arguments: "" } };
  const byIndex = [call({ index: 0, ...first }), call({ index: 0, ...part('{"x"') }), call({ index: 1, ...second }), call({ index: 1, ...part("{}") }), call({ index: 0, ...part(":1}") })];
  assert.deepEqual(calls(byIndex), expected);
  const byId = [call(first), call({ id: "a", ...part('{"x"') }), call(second), call({ id: "b", ...part("{}") }), call({ id: "a", ...part(":1}") })];
  assert.deepEqual(calls(byId), expected);
  const byPlace = [call([first, second]), call([part('{"x":1}'), part("{}")])];
  assert.deepEqual(calls(byPlace), expected);
});

test("several choices stay apart, in their order", () => {
  const at = (index, text) => ({ choices: [{ index, delta: { content: text } }] });
  const { choices } = accumulateChunks([at(1, "b"), at(0, "a"), at(1, "B"), at(0, "A")]);
  assert.deepEqual(choices.map(({ index, message }) => [index, message.content]), [[0, "aA"], [1, "bB"]]);
});

test("no chunks, and chunks that hold nothing", () => {
  assert.deepEqual(accumulateChunks([]), { object: "chat.completion", choices: [] });
  assert.deepEqual(accumulateChunks([{ choices: null }, { choices: [{ delta: null }] }]).choices[0].message, { role: "assistant", content: null });
});
