// Answers that are taken up by another page or tab: what is shown stays, nothing comes twice, the figures go on.

import "./vendored.mjs";

import assert from "node:assert/strict";
import test from "node:test";

import { DONE, Stage, event, json, piece, response } from "./stage.mjs";
import { Browser, settle } from "./tabs.mjs";

const { Runs } = await import("../../llms/ui/run/runs.mjs");
const { activeRuns } = await import("../../llms/ui/run/active.mjs");
const { createSettings } = await import("../../llms/ui/settings.mjs");
const { textOf, reasoningOf } = await import("../../llms/ui/store/message.mjs");

const HEADERS = { "x-llms-stream-id": "s1" };
const USAGE = { prompt_tokens: 10, completion_tokens: 4, total_tokens: 14 };
const MODELS = { m: { id: "m", price: { input: 1, output: 10, cachedInput: null }, continuesText: false } };
const thought = (text) => ({ choices: [{ index: 0, delta: { reasoning_content: text } }] });
const call = (fragment) => ({ choices: [{ index: 0, delta: { tool_calls: [{ index: 0, ...fragment }] } }] });

// A server with one stream: chunks, and how many of them the first connection brings before it falls silent.
function serverOf(chunks, { first = chunks.length, then = null } = {}) {
  const events = [...chunks.map(event), DONE].map((data, at) => `id: ${at + 1}\n${data}`);
  return (request) => {
    if (request.method === "POST") return response(events.slice(0, first), { headers: HEADERS, open: first < events.length });
    if (request.method === "DELETE") return json({ cancelled: true });
    if (then) return then(request);
    return response(events.slice(Number(/starting_after=(\d+)/.exec(request.url)[1])), { headers: HEADERS });
  };
}

// A tab whose page talks to the server.
async function page(serve, browser = new Browser()) {
  const tab = await browser.tab();
  const stage = new Stage({ answers: [serve] });
  const settings = createSettings({ storage: null, events: new EventTarget() });
  const models = { chosenModel: () => MODELS.m, modelById: (id) => MODELS[id] ?? null };
  const runs = new Runs({ store: tab.store, settings, models, environment: stage.environment });
  tab.store.live.takeUp = (message) => runs.takeUp(message);
  return { browser, tab, store: tab.store, stage, runs };
}

// Lets time pass everywhere.
async function pass(milliseconds, ...pages) {
  for (let passed = 0; passed < milliseconds; passed += 100) {
    for (const { browser, stage } of pages) {
      await stage.advance(100);
      await browser.timers.advance(100);
    }
  }
  await settle();
}

// Lets time pass until no answer is being written.
async function rest(...pages) {
  const isBusy = () => activeRuns.value.size || pages.some(({ store }) => store.path.value.some(({ active }) => active));
  for (let turn = 0; turn < 100 && (turn < 2 || isBusy()); turn += 1) await pass(500, ...pages);
}

// Begins an answer in a tab that is closed after so many chunks, has another one take it up; resolves with the message.
async function takenUp(chunks, first, { before = null } = {}) {
  const serve = serverOf(chunks, { first });
  const browser = new Browser();
  const one = await page(serve, browser);
  const { threadId } = before ? await before(one) : await one.runs.send(null, "Tell");
  await pass(1000, one);
  one.tab.kill();
  const left = activeRuns.peek();
  activeRuns.value = new Map(); // it went with its page
  const two = await page(serve, browser);
  await two.store.openThread(threadId);
  await rest(two);
  for (const run of left.values()) run.leave();
  return { ...two, one, answer: two.store.path.value.at(-1) };
}

const shown = ({ parts, status, usage, finishReason, cost, active, stream }) => ({ parts: parts.map(({ duration: _, ...part }) => part), status, usage, finishReason, cost, active, stream });

for (const [name, chunks] of [
  ["text", [piece("Once "), piece("upon "), piece("a time", "stop"), { choices: [], usage: USAGE }]],
  ["thoughts", [thought("Hm, "), thought("well. "), piece("Yes, "), piece("sure", "stop"), { choices: [], usage: USAGE }]],
  ["thoughts between tags, cut anywhere", [piece("<th"), piece("ink>Hm, "), piece("well.</thi"), piece("nk> Yes, "), piece("sure", "stop")]],
  ["tool calls", [piece("Look: "), call({ id: "c1", function: { name: "find", arguments: "" } }), call({ function: { arguments: '{"a"' } }), call({ function: { arguments: ": 1}" } }), piece("", "tool_calls")]],
]) {
  test(`wherever it is left, it ends as if nothing had happened: ${name}`, async () => {
    const whole = shown((await takenUp(chunks, chunks.length + 1)).answer);
    assert.equal(whole.status, "done");
    assert.equal(whole.stream, null);
    for (let first = 1; first <= chunks.length; first += 1) {
      const { answer, stage } = await takenUp(chunks, first);
      assert.deepEqual(shown(answer), whole, `after ${first} chunks`);
      assert.deepEqual(stage.requests.map(({ url }) => url), [`/v1/streams/s1?starting_after=${first}`]);
      assert.equal(activeRuns.value.size, 0);
    }
  });
}

test("without locks one of several tabs takes it up, and the others show it", async () => {
  const chunks = [piece("Once "), piece("upon "), piece("a time", "stop")];
  const serve = serverOf(chunks, { first: 1 });
  const browser = new Browser({ locks: false });
  const one = await page(serve, browser);
  const others = [await page(serve, browser), await page(serve, browser), await page(serve, browser)];
  const { threadId, runs: [run] } = await one.runs.send(null, "Tell");
  for (const { store } of others) await store.openThread(threadId);
  await pass(1000, one, ...others);
  one.tab.kill();
  activeRuns.value = new Map();
  await rest(...others);
  assert.equal(others.flatMap(({ stage }) => stage.requests).length, 1);
  for (const { store } of others) {
    const answer = store.path.value.at(-1);
    assert.deepEqual([textOf(answer), answer.status], ["Once upon a time", "done"]);
  }
  run.leave();
});

test("an answer that goes on with another one keeps its beginning, and counts both", async () => {
  const chunks = [piece("a time, "), piece("long ago", "stop"), { choices: [], usage: USAGE }];
  const before = async ({ store, runs }) => {
    const { id } = await store.createThread({});
    await store.addMessage(id, { role: "user", parts: "Tell" });
    const begun = await store.addMessage(id, { role: "assistant", parts: "Once upon ", model: "m", status: "canceled", usage: USAGE, cost: 1 });
    await runs.continueAnswer(id, begun.id);
    return { threadId: id };
  };
  const { answer } = await takenUp(chunks, 1, { before });
  assert.equal(textOf(answer), "Once upon a time, long ago");
  assert.deepEqual([answer.status, answer.usage.total_tokens, answer.cost], ["done", 28, 1 + 50 / 1e6]);
});

test("the figures count from the beginning", async () => {
  const { answer } = await takenUp([piece("Once "), piece("upon", "stop"), { choices: [], usage: USAGE }], 1);
  assert.equal(answer.timing.tokens, 4);
  assert.ok(answer.timing.ttft !== null);
  assert.ok(reasoningOf(answer) === "");
});

test("a stream that the server no longer has leaves what there was, and says so", async () => {
  const serve = serverOf([piece("Once "), piece("upon")], { first: 1, then: () => json({ error: { message: "no", code: "not_found" } }, { status: 404 }) });
  const browser = new Browser();
  const one = await page(serve, browser);
  const { threadId, runs: [run] } = await one.runs.send(null, "Tell");
  await pass(1000, one);
  one.tab.kill();
  activeRuns.value = new Map();
  const two = await page(serve, browser);
  await two.store.openThread(threadId);
  await rest(two);
  const answer = two.store.path.value.at(-1);
  assert.deepEqual([textOf(answer), answer.status, answer.error.code, answer.stream], ["Once ", "error", "stream_gone", null]);
  run.leave();
});

test("a lost connection is taken up in place, and the text stays meanwhile", async () => {
  const events = [piece("Once "), piece("upon", "stop")].map((chunk, at) => `id: ${at + 1}\n${event(chunk)}`);
  const made = await page((request) => {
    if (request.method === "POST") return response([events[0], new TypeError("cut")], { headers: HEADERS });
    return made.stage.requests.length < 4 ? Promise.reject(new TypeError("gone")) : response([events[1], `id: 3\n${DONE}`], { headers: HEADERS });
  });
  const { runs: [run] } = await made.runs.send(null, "Tell");
  await pass(200, made);
  assert.deepEqual([run.state.value, run.text.value, run.reconnecting.value.attempt], ["writing", "Once ", 1]);
  assert.equal(await made.stage.until(run.finished), "done");
  assert.deepEqual([run.text.value, run.reconnecting.value], ["Once upon", null]);
  assert.equal(made.stage.requests.filter(({ method }) => method === "POST").length, 1);
});

// An answer whose connection is lost for so long that the page gives up, with {made, threadId, messageId}; `back` answers from then on.
async function givenUp(back) {
  let isBack = false;
  const events = [piece("Once "), piece("upon", "stop")].map((chunk, at) => `id: ${at + 1}\n${event(chunk)}`);
  const made = await page((request) => {
    if (isBack) return back(request, [events[1], `id: 3\n${DONE}`]);
    return request.method === "POST" ? response([events[0], new TypeError("cut")], { headers: HEADERS }) : Promise.reject(new TypeError("gone"));
  });
  const { threadId, runs: [run] } = await made.runs.send(null, "Tell");
  await made.store.openThread(threadId);
  assert.equal(await made.stage.until(run.finished), "error");
  const left = made.store.path.value.at(-1);
  assert.deepEqual([textOf(left), left.status, left.error.code], ["Once ", "error", "connection_lost"]);
  isBack = true;
  return { ...made, threadId, messageId: left.id };
}

test("after giving up, to go on means to look for the rest first", async () => {
  const { runs, store, stage, threadId, messageId } = await givenUp((_, rest) => response(rest, { headers: HEADERS }));
  const [run] = await runs.continueAnswer(threadId, messageId);
  assert.deepEqual([run.text.value, run.streamId], ["Once ", "s1"]);
  assert.equal(await stage.until(run.finished), "done");
  const answer = store.path.value.at(-1);
  assert.deepEqual([textOf(answer), answer.status, answer.stream, answer.error], ["Once upon", "done", null, null]);
  assert.equal(stage.requests.filter(({ method }) => method === "POST").length, 1);
});

test("where the server no longer has the rest, it is asked for anew the next time", async () => {
  const { runs, store, stage, threadId, messageId } = await givenUp(({ method }) =>
    method === "POST" ? response([event(piece("upon", "stop")), DONE]) : json({ error: { message: "no", code: "not_found" } }, { status: 404 }),
  );
  const [run] = await runs.continueAnswer(threadId, messageId);
  assert.equal(await stage.until(run.finished), "error");
  const left = store.path.value.at(-1);
  assert.deepEqual([textOf(left), left.error.code, left.stream], ["Once ", "stream_gone", null]);
  const [again] = await runs.continueAnswer(threadId, messageId);
  assert.equal(await stage.until(again.finished), "done");
  assert.equal(textOf(store.path.value.at(-1)), "Once upon");
});

test("a text that was edited meanwhile is gone on with anew", async () => {
  const { runs, store, stage, threadId, messageId } = await givenUp(() => response([event(piece(" time", "stop")), DONE]));
  await store.updateMessageContent(threadId, messageId, "Another");
  const [run] = await runs.continueAnswer(threadId, messageId);
  assert.equal(await stage.until(run.finished), "done");
  assert.equal(textOf(store.path.value.at(-1)), "Another time");
});

test("a lost connection before the first piece is not asked again from the beginning", async () => {
  const made = await page(serverOf([piece("Once", "stop")], { first: 0 }));
  const { runs: [run] } = await made.runs.send(null, "Tell");
  assert.equal(await made.stage.until(run.finished), "done"); // after 45 seconds of silence
  assert.equal(run.text.value, "Once");
  assert.deepEqual(made.stage.requests.map(({ method }) => method), ["POST", "GET"]);
});

test("a stop ends it at the server, from any tab", async () => {
  const chunks = [piece("Once "), piece("upon", "stop")];
  const browser = new Browser();
  const one = await page(serverOf(chunks, { first: 1 }), browser);
  const two = await page(serverOf(chunks), browser);
  const { threadId, runs: [run] } = await one.runs.send(null, "Tell");
  await two.store.openThread(threadId);
  await pass(1000, one, two);
  activeRuns.value = new Map(); // the other tab does not have it
  two.runs.stop(run.id);
  assert.deepEqual(two.stage.requests.map(({ method, url }) => [method, url]), [["DELETE", "/v1/streams/s1"]]);
  run.stop();
  run.stop();
  await pass(200, one);
  assert.deepEqual(one.stage.requests.map(({ method }) => method), ["POST", "DELETE"]);
});

test("streams of servers that number nothing end as they always did", async () => {
  const made = await page(() => response([event(piece("Once ")), new TypeError("cut")]));
  const { threadId, runs: [run] } = await made.runs.send(null, "Tell");
  await made.store.openThread(threadId);
  assert.equal(await made.stage.until(run.finished), "error");
  const answer = made.store.path.value.at(-1);
  assert.deepEqual([textOf(answer), answer.error.code, answer.stream], ["Once ", "connection_lost", null]);
  assert.equal(made.stage.requests.length, 1);
});
