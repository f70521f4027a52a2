// One answer from the request to the last figure, by the real stream client on a clock that moves by hand.

import "./vendored.mjs";

import assert from "node:assert/strict";
import test from "node:test";

import { DONE, Stage, event, json, never, piece, response } from "./stage.mjs";

const { Run } = await import("../../llms/ui/run/run.mjs");
const { effect } = await import("../../llms/ui/view.mjs");

const REQUEST = { model: "m", messages: [{ role: "user", content: "hi" }], stream: true };
const USAGE = { prompt_tokens: 10, completion_tokens: 4, total_tokens: 14 };
const progress = (llms) => event({ id: "r", choices: [], llms });
const delta = (fields, finish = null) => event({ choices: [{ index: 0, delta: fields, finish_reason: finish }] });
const usage = event({ choices: [], usage: USAGE });

// A run of these answers; `states` and `waits` are all that its signals said.
function runOf(answers, options = {}) {
  const stage = new Stage({ answers });
  const run = new Run({ id: "a", model: "m", request: REQUEST, environment: stage.environment, ...options });
  const [states, waits] = [[], []];
  effect(() => void (states.at(-1) === run.state.value || states.push(run.state.value)));
  effect(() => void (run.waiting.value && waits.at(-1)?.name !== run.waiting.value.name && waits.push(run.waiting.value)));
  return { stage, run, states, waits: () => waits.map(({ name }) => name), told: waits };
}

const finished = ({ stage, run }) => stage.until(run.start());

// A response that sends its parts one after the other as time goes by.
const paced = (stage, gap, parts) => () => {
  let isLeft = false;
  const later = (index, call) => stage.environment.setTimeout(() => isLeft || call(), gap * (index + 1));
  const body = new ReadableStream({
    start(controller) {
      parts.forEach((part, index) => later(index, () => controller.enqueue(new TextEncoder().encode(part))));
      later(parts.length, () => controller.close());
    },
    cancel: () => void (isLeft = true),
  });
  return new Response(body, { headers: { "content-type": "text/event-stream", "x-llms-provider": "up", "x-request-id": "req-1" } });
};

test("an answer is written, and everything about it is known at the end", async () => {
  const made = runOf([() => response([event(piece("Hel")) + event(piece("lo")), event(piece("", "stop")) + usage + DONE], { headers: { "x-llms-provider": "up", "x-request-id": "req-1" } })], { price: { input: 1, output: 10, cachedInput: null } });
  assert.equal(await finished(made), "done");
  const { run } = made;
  assert.equal(run.text.value, "Hello");
  assert.deepEqual(run.usage.value, USAGE);
  assert.equal(run.cost.value, 50 / 1_000_000);
  assert.equal(run.finishReason.value, "stop");
  assert.equal(run.provider.value, "up");
  assert.equal(run.requestId.value, "req-1");
  assert.equal(run.timing.value.tokens, 4);
  assert.equal(run.error.value, null);
  assert.deepEqual(made.states, ["queued", "writing", "done"]);
  assert.equal(run.isActive, false);
});

test("the states of the server have names while nothing has come", async () => {
  const parts = [progress({ state: "queued", queue_position: 2, elapsed_ms: 1 }), progress({ state: "queued", queue_position: 1 }), progress({ state: "loading", percent: 40, message: "big" }), progress({}), event(piece("x")), event(piece("", "stop")) + DONE];
  const made = runOf([(request) => paced(made.stage, 1000, parts)(request)]);
  await finished(made);
  assert.deepEqual(made.states, ["queued", "loading", "writing", "done"]);
  assert.deepEqual(made.waits(), ["connecting", "provider", "queued", "loading", "provider"]);
  const [, , queued, loading] = made.told;
  assert.equal(queued.position, 2);
  assert.deepEqual([loading.percent, loading.message], [40, "big"]);
  assert.equal(made.run.waiting.value, null);
});

test("a wait keeps its beginning while its figures change", async () => {
  const parts = [progress({ state: "queued", queue_position: 2 }), progress({ state: "queued", queue_position: 1 }), event(piece("x", "stop")) + DONE];
  const made = runOf([(request) => paced(made.stage, 1000, parts)(request)]);
  const going = made.run.start();
  await made.stage.advance(1500);
  const { since } = made.run.waiting.value;
  await made.stage.advance(1000);
  assert.deepEqual([made.run.waiting.value.position, made.run.waiting.value.since], [1, since]);
  await made.stage.until(going);
});

test("thoughts, tools and text are told apart", async () => {
  const call = (index, fields) => delta({ tool_calls: [{ index, ...fields }] });
  const parts = [delta({ reasoning_content: "Let " }), delta({ reasoning_content: "me" }), delta({ content: "So" }), call(0, { id: "c", function: { name: "f", arguments: '{"a"' } }), call(0, { function: { arguments: ":1}" } }), delta({}, "tool_calls") + DONE];
  const made = runOf([(request) => paced(made.stage, 500, parts)(request)]);
  await finished(made);
  const { run } = made;
  assert.deepEqual(made.states, ["queued", "thinking", "writing", "tool", "done"]);
  assert.equal(run.reasoning.value, "Let me");
  assert.equal(run.reasoningTime, 1000);
  assert.equal(run.text.value, "So");
  assert.deepEqual(run.toolCalls.value, [{ id: "c", name: "f", arguments: '{"a":1}' }]);
});

test("thoughts between tags in the text are thoughts", async () => {
  const made = runOf([() => response([event(piece("<thi")), event(piece("nk>hm</think>")), event(piece("\n\nYes", "stop")), DONE])]);
  await finished(made);
  assert.deepEqual([made.run.reasoning.value, made.run.text.value], ["hm", "Yes"]);
});

test("without streaming the same comes in one piece", async () => {
  const whole = { choices: [{ index: 0, message: { role: "assistant", content: "Hello", reasoning: "hm" }, finish_reason: "stop" }], usage: USAGE };
  const made = runOf([() => json(whole)], { request: { ...REQUEST, stream: false } });
  assert.equal(await finished(made), "done");
  assert.equal(made.stage.requests[0].body.stream, false);
  assert.deepEqual([made.run.text.value, made.run.reasoning.value, made.run.usage.value], ["Hello", "hm", USAGE]);
});

test("a stop keeps what is there", async () => {
  const made = runOf([() => response([event(piece("Once upon"))], { open: true })]);
  const going = made.run.start();
  await made.stage.advance(100);
  assert.equal(made.run.state.value, "writing");
  made.run.stop();
  assert.equal(await made.stage.until(going), "canceled");
  assert.equal(made.run.text.value, "Once upon");
  assert.equal(made.run.error.value, null);
  assert.equal(made.run.waiting.value, null);
});

test("a stop before anything came is a stop, too", async () => {
  const made = runOf([never]);
  const going = made.run.start();
  await made.stage.advance(100);
  made.run.stop();
  assert.equal(await made.stage.until(going), "canceled");
  assert.equal(made.run.isEmpty, true);
});

test("an error in the middle keeps what is there and says who failed", async () => {
  const made = runOf([() => response([event(piece("Once")), event({ error: { code: "upstream_truncated", message: "cut" } })], { headers: { "x-llms-provider": "up" } })]);
  assert.equal(await finished(made), "error");
  assert.equal(made.run.text.value, "Once");
  assert.equal(made.run.isEmpty, false);
  const { code, message, provider, type } = made.run.error.value;
  assert.deepEqual({ code, message, provider, type }, { code: "upstream_truncated", message: "cut", provider: "up", type: "NETWORK" });
  assert.deepEqual(structuredClone(made.run.error.value), made.run.error.value);
});

test("an error before anything came is told with its status", async () => {
  const made = runOf([() => json({ error: { message: "too long", code: "context_length_exceeded", param: "messages" } }, { status: 400 })]);
  assert.equal(await finished(made), "error");
  assert.equal(made.run.isEmpty, true);
  const { status, code, param, retryable } = made.run.error.value;
  assert.deepEqual({ status, code, param, retryable }, { status: 400, code: "context_length_exceeded", param: "messages", retryable: false });
});

test("tries and the way to a whole answer are told", async () => {
  const busy = () => json({ error: { message: "busy" } }, { status: 503 });
  const whole = () => json({ choices: [{ index: 0, message: { content: "Hello" }, finish_reason: "stop" }] });
  const made = runOf([busy, busy, busy, whole]);
  assert.equal(await finished(made), "done");
  assert.deepEqual(made.waits(), ["connecting", "retrying", "connecting", "retrying", "connecting", "whole_answer"]);
  assert.equal(made.run.text.value, "Hello");
});

test("pieces are told at once, the signals once a frame", async () => {
  const parts = Array.from({ length: 40 }, (_, index) => event(piece(`${index} `)));
  const made = runOf([(request) => paced(made.stage, 4, [...parts, event(piece("", "stop")) + DONE])(request)]);
  let [pieces, updates] = [0, 0];
  made.run.onDelta(() => (pieces += 1));
  effect(() => void (made.run.text.value, (updates += 1)));
  await finished(made);
  assert.equal(pieces, 40);
  assert.ok(updates <= 10, `${updates} updates`);
  assert.equal(made.run.text.value.split(" ").length, 41);
});

test("the speed is shown while it is written, and the whole of it at the end", async () => {
  const parts = Array.from({ length: 20 }, () => event(piece("four")));
  const made = runOf([(request) => paced(made.stage, 100, [...parts, event(piece("", "stop")) + usage + DONE])(request)]);
  const going = made.run.start();
  await made.stage.advance(1150);
  const live = made.run.timing.value;
  assert.ok(live.isEstimate && live.tokensPerSecond > 9 && live.tokensPerSecond < 13, `${live.tokensPerSecond}`);
  assert.equal(live.ttft, 100);
  await made.stage.until(going);
  const { ttft, p95, duration, curve, isEstimate } = made.run.timing.value;
  assert.deepEqual([ttft, p95, isEstimate], [100, 100, false]);
  assert.ok(duration >= 2000 && curve.rates.length > 5);
});

test("an answer goes on where it was, without what is repeated", async () => {
  const begun = "One, two, three, four";
  const made = runOf([() => response([event(piece("two, three,")), event(piece(" four, five", "stop")), DONE])], { begun });
  assert.equal(made.run.text.value, begun);
  await finished(made);
  assert.equal(made.run.text.value, "One, two, three, four, five");
  assert.deepEqual(made.run.content.text, made.run.text.value);
});

test("where a model does not take an unfinished answer, it is told to go on", async () => {
  const fallback = { ...REQUEST, messages: [...REQUEST.messages, { role: "user", content: "go on" }] };
  const made = runOf([() => json({ error: { message: "no prefill" } }, { status: 400 }), () => response([event(piece(" more", "stop")), DONE])], { begun: "Text", fallback });
  assert.equal(await finished(made), "done");
  assert.equal(made.stage.requests[1].body.messages.length, 2);
  assert.equal(made.run.text.value, "Text more");
});

test("a warning of the server is kept", async () => {
  const made = runOf([() => response([progress({ warning: "up failed, trying other" }), event(piece("x", "stop")), DONE])]);
  await finished(made);
  assert.equal(made.run.warning.value, "up failed, trying other");
});

test("a fault of ours ends the run and is not swallowed", async () => {
  const made = runOf([() => response([event(piece("x", "stop")), DONE])]);
  made.run.onDelta(() => {
    throw new RangeError("ours");
  });
  await assert.rejects(finished(made), RangeError);
  assert.equal(made.run.state.value, "error");
  assert.equal(made.run.error.value.type, "INTERNAL");
});
