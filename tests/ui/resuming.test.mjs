// A stream that is taken up again: what is asked for, how often, and what becomes of events that are gone.

import assert from "node:assert/strict";
import test from "node:test";

import { StreamErrorType, errorOfResponse, unreachable } from "../../llms/ui/sse/errors.mjs";
import { cancelStream, takeUp } from "../../llms/ui/sse/resuming.mjs";
import { SSEStreamReader } from "../../llms/ui/streaming.mjs";
import { DONE, Stage, dice, event, json, never, piece, response } from "./stage.mjs";

const ID = { "x-llms-stream-id": "s1" };
const TALE = ["Once ", "upon ", "a ", "time"];
const CUT = new TypeError("cut");

// The events of the tale, numbered, from one on; `until` ends before an event with a cut connection.
const numbered = [...TALE.map((text, at) => event(piece(text, at === TALE.length - 1 ? "stop" : null))), DONE].map((data, at) => `id: ${at + 1}\n${data}`);
const from = (after, until = Infinity) => () => response([...numbered.slice(after, until), ...(until < numbered.length ? [CUT] : [])], { headers: ID });
const state = (fields) => () => json({ id: "s1", status: "in_progress", text: "", text_is_whole: true, last_event_id: 0, usage: null, error: null, ...fields });
const refuse = (status, error = {}) => () => json({ error: { message: `no ${status}`, ...error } }, { status });
const gone = () => Promise.reject(new TypeError("Failed to fetch"));
const fails = (error) => () => response([`id: 9\n${event({ error })}`], { headers: ID });

// Takes up a stream on the stage; resolves with all that came of it.
async function resume(answers, { after = 0, text = "", failure = null, ...options } = {}) {
  const stage = new Stage({ answers, random: 1 });
  Object.assign(stage.environment, options.environment);
  const position = { id: "s1", after, letters: text.length };
  const told = { stage, position, text, states: [], chunks: [] };
  const onChunk = (_, chunk, id) => {
    const more = chunk.choices?.[0]?.delta?.content ?? "";
    told.text += more;
    told.chunks.push(chunk);
    position.letters += more.length;
    if (id) position.after = Number(id);
  };
  const onStatus = (_, status) => told.states.push(status.state);
  const done = takeUp(position, { callbacks: { onChunk, onStatus }, failure, environment: stage.environment, signal: options.signal });
  await stage.until(done).catch((error) => (told.error = error));
  return told;
}

const asked = ({ stage }) => stage.requests.map(({ url }) => url);

test("what follows the last event is asked for, and read to its end", async () => {
  const { text, error, stage, states } = await resume([from(2)], { after: 2, text: "Once upon " });
  assert.equal(text, "Once upon a time");
  assert.equal(error, undefined);
  const [{ url, method, headers }] = stage.requests;
  assert.deepEqual([url, method, headers.Accept], ["/v1/streams/s1?starting_after=2", "GET", "text/event-stream"]);
  assert.deepEqual(states, ["reconnected"]);
  assert.equal(stage.pending, 0);
});

test("events that are there already are not taken twice", async () => {
  const { text } = await resume([from(0)], { after: 2, text: "Once upon " });
  assert.equal(text, "Once upon a time");
});

test("wherever connections break, and whatever is refused meanwhile, every word comes once", async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const roll = dice(seed);
    const serve = ({ url }) => {
      const after = Number(/starting_after=(\d+)/.exec(url)?.[1] ?? -1);
      if (after < 0) return state({ text: TALE.slice(0, 2).join(""), last_event_id: 2 })();
      const kind = roll.below(4);
      if (kind === 0) return gone();
      if (kind === 1) return refuse(503)();
      return from(Math.max(0, after - roll.below(2)), after + roll.below(4))();
    };
    const { text, error } = await resume([serve], { failure: unreachable() });
    if (error === undefined) assert.equal(text, TALE.join(""), `seed ${seed}`);
    else assert.ok(TALE.join("").startsWith(text), `seed ${seed}`);
  }
});

test("it comes again five times, and waits up to 1, 2, 4, 8, 8 seconds", async () => {
  const { stage, error } = await resume([gone], { failure: unreachable() });
  const attempts = stage.requests.filter(({ url }) => url.includes("starting_after"));
  assert.equal(attempts.length, 5);
  const silence = 45_000;
  assert.deepEqual(stage.waits.filter((wait) => wait !== silence).slice(0, 5), [1000, 2000, 4000, 8000, 8000]);
  assert.equal(error.code, "connection_lost");
});

test("whatever brings an event begins the count anew", async () => {
  const answers = [gone, gone, gone, gone, from(0, 1), gone, gone, gone, gone, from(1)];
  const { text, error } = await resume(answers, { failure: unreachable() });
  assert.deepEqual([text, error], [TALE.join(""), undefined]);
});

test("while the browser says that it is off line, tries do not count", async () => {
  let left = 12;
  const answers = [...Array.from({ length: left }, () => () => (left -= 1, gone())), from(0)];
  const { text } = await resume(answers, { failure: unreachable(), environment: { isOnline: () => left === 0 } });
  assert.equal(text, TALE.join(""));
});

test("it comes at once when the network is back", async () => {
  const stage = new Stage({ answers: [from(0)], random: 1 });
  const waiting = new Set();
  stage.environment.onOnline = (callback) => (waiting.add(callback), () => waiting.delete(callback));
  const done = takeUp({ id: "s1", after: 0, letters: 0 }, { callbacks: { onChunk() {}, onStatus() {} }, failure: unreachable(), environment: stage.environment });
  await stage.advance(10);
  assert.equal(stage.requests.length, 0);
  for (const callback of waiting) callback();
  await done;
  assert.equal(stage.requests.length, 1);
  assert.equal(waiting.size, 0);
  assert.equal(stage.pending, 0);
});

test("a connection from before the network was gone is given up, where the stream can be taken up", async () => {
  for (const [headers, isLost] of [[ID, true], [{}, false]]) {
    const waiting = new Set();
    const environment = { onOnline: (callback) => (waiting.add(callback), () => waiting.delete(callback)) };
    const reader = new SSEStreamReader(response([numbered[0]], { headers, open: true }), { environment, silence: 0 });
    const failure = reader.readToCompletion({ onChunk: () => setTimeout(() => (waiting.forEach((call) => call()), reader.cancel())) }).catch((error) => error);
    const { code, canBeTakenUp } = await failure;
    assert.deepEqual([code, canBeTakenUp], isLost ? ["connection_lost", true] : ["cancelled", false]);
  }
});

for (const [name, answers] of [
  ["unknown", [refuse(404, { code: "not_found" })]],
  ["another one of that name, and shorter", [refuse(400, { code: "invalid_request" })]],
  ["unknown when asked for its state", [refuse(410, { code: "replay_expired" }), refuse(404)]],
]) {
  test(`a stream that is ${name} is lost, and is asked for no more`, async () => {
    const { error, stage } = await resume(answers, { after: 1, text: "Once " });
    assert.deepEqual([error.code, error.retryable], ["stream_gone", false]);
    assert.equal(stage.requests.length, answers.length);
  });
}

test("events that are gone are made good by the text, and what follows is read", async () => {
  const expired = refuse(410, { code: "replay_expired", partial: "Once upon " });
  const made = await resume([expired, state({ text: "Once upon a ", last_event_id: 3 }), from(3)], { after: 1, text: "Once " });
  assert.equal(made.text, "Once upon a time");
  assert.equal(asked(made).at(-1), "/v1/streams/s1?starting_after=3");
  assert.ok(made.states.includes("gap"));
});

test("a stream that ran away says so as its last event", async () => {
  const expired = fails({ code: "replay_expired", message: "gone", resumable: false, partial: "Once upon " });
  const { text } = await resume([expired, state({ text: "Once upon a ", last_event_id: 3 }), from(3)], { after: 1, text: "Once " });
  assert.equal(text, "Once upon a time");
});

test("where the text is not whole, what there is of it is shown, and the rest said to be lost", async () => {
  const expired = refuse(410, { code: "replay_expired", partial: "Once upon " });
  const { text, error } = await resume([expired, state({ text: "Once upon ", text_is_whole: false, last_event_id: 3 })], { after: 1, text: "Once " });
  assert.deepEqual([text, error.code], ["Once upon ", "stream_gone"]);
});

test("where streams bring nothing, the text is asked for until the answer is whole", async () => {
  const silent = () => response([], { headers: ID, open: true });
  const usage = { prompt_tokens: 1, completion_tokens: 4, total_tokens: 5 };
  const last = state({ text: TALE.join(""), status: "completed", last_event_id: 5, finish_reason: "length", usage });
  const answers = [silent, silent, silent, silent, silent, silent, state({ text: "Once ", last_event_id: 1 }), state({ text: "Once upon ", last_event_id: 2 }), last];
  const { text, chunks, error } = await resume(answers);
  assert.deepEqual([text, error], [TALE.join(""), undefined]);
  assert.deepEqual([chunks.at(-1).usage, chunks.at(-1).choices[0].finish_reason], [usage, "length"]);
});

test("where connections break and questions are answered, streams are tried again, then the text is asked for", async () => {
  const serve = ({ url }) => (url.includes("starting_after") ? gone() : state({ text: TALE.join(""), status: "completed", last_event_id: 5 })());
  const made = await resume([serve], { failure: unreachable() });
  assert.equal(made.text, TALE.join(""));
  assert.equal(asked(made).filter((url) => url.includes("starting_after")).length, 15);
});

for (const [status, fields, code] of [
  ["completed", {}, undefined],
  ["failed", { error: { message: "down", code: "upstream_unavailable" } }, "upstream_unavailable"],
  ["cancelled", { error: { message: "stopped", code: "cancelled" } }, "cancelled"],
  ["cancelled", { error: { message: "nobody", code: "abandoned" } }, "abandoned"],
]) {
  test(`a stream that ${status} and was read to its last event has no more to say`, async () => {
    const { error } = await resume([() => new Response(null, { status: 204 }), state({ status, text: "Once ", last_event_id: 1, ...fields })], { after: 1, text: "Once " });
    assert.equal(error?.code, code);
  });
}

test("an error of the stream is come back from only where the server says so", async () => {
  const passing = await resume([fails({ code: "server_stopping", message: "m", resumable: true, retry_after: 3 }), from(0)]);
  assert.equal(passing.text, TALE.join(""));
  assert.ok(passing.stage.waits.includes(3000));
  const final = await resume([fails({ code: "server_stopping", message: "m", resumable: false })]);
  assert.deepEqual([final.error.code, final.stage.requests.length], ["server_stopping", 1]);
});

test("a page in the place of the stream is a network that lets nobody through yet", async () => {
  const { text } = await resume([() => response(["<html>"], { type: "text/html" }), from(0)]);
  assert.equal(text, TALE.join(""));
});

test("whoever stops is obeyed at once, in a wait and in a request", async () => {
  for (const [answers, failure] of [[[never], null], [[gone], unreachable()]]) {
    const stop = new AbortController();
    const stage = new Stage({ answers, random: 1 });
    const done = takeUp({ id: "s1", after: 0, letters: 0 }, { callbacks: { onChunk() {}, onStatus() {} }, failure, signal: stop.signal, environment: stage.environment });
    await stage.advance(10);
    stop.abort();
    const error = await done.catch((caught) => caught);
    assert.equal(error.type, StreamErrorType.CANCELLED);
    assert.equal(stage.pending, 0);
  }
});

test("to cancel is one request, whatever comes of it", async () => {
  const stage = new Stage({ answers: [gone] });
  cancelStream("a/b", { environment: stage.environment });
  await stage.advance(10);
  assert.deepEqual(stage.requests.map(({ url, method }) => [url, method]), [["/v1/streams/a%2Fb", "DELETE"]]);
});

test("what can be taken up: lost connections of streams that have an id, and what the server says", async () => {
  const read = async (parts, headers) => {
    const reader = new SSEStreamReader(response(parts, { headers }), { silence: 0 });
    return reader.readToCompletion().then(() => null, ({ canBeTakenUp }) => canBeTakenUp);
  };
  const failure = (fields) => event({ error: { message: "m", code: "upstream_truncated", ...fields } });
  assert.equal(await read([numbered[0], CUT], ID), true);
  assert.equal(await read([numbered[0]], ID), true);
  assert.equal(await read([numbered[0], CUT], {}), false);
  assert.equal(await read([failure({})], ID), false);
  assert.equal(await read([failure({ resumable: true })], ID), true);
  assert.equal(await read([failure({ resumable: false })], ID), false);
  const { partial, resumable } = errorOfResponse(new Response(null, { status: 410 }), JSON.stringify({ error: { partial: "a", resumable: false } }), 0);
  assert.deepEqual([partial, resumable], ["a", false]);
});
