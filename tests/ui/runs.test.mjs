// Sending, answering again, going on, comparing, stopping: what of it is in the thread, while it is written and afterwards.

import "./vendored.mjs";

import assert from "node:assert/strict";
import test from "node:test";

import { DONE, Stage, event, json, never, piece, response } from "./stage.mjs";
import { Browser, settle } from "./tabs.mjs";

const { Runs } = await import("../../llms/ui/run/runs.mjs");
const { activeRuns } = await import("../../llms/ui/run/active.mjs");
const { needsSignIn } = await import("../../llms/ui/api/http.mjs");
const { createSettings } = await import("../../llms/ui/settings.mjs");
const { textOf } = await import("../../llms/ui/store/message.mjs");

const USAGE = { prompt_tokens: 10, completion_tokens: 4, total_tokens: 14 };
const says = (text) => () => response([event(piece(text, "stop")) + event({ choices: [], usage: USAGE }) + DONE]);
const begins = (text) => () => response([event(piece(text))], { open: true });
const refuses = (status, code) => () => json({ error: { message: "no", code } }, { status });
const MODELS = { m: { id: "m", price: { input: 1, output: 10, cachedInput: null }, continuesText: false }, other: { id: "other", price: null, continuesText: true } };

// A page with a thread store, settings, and a server that answers in turn.
async function page(answers, browser = new Browser()) {
  const tab = await browser.tab();
  const stage = new Stage({ answers });
  const settings = createSettings({ storage: null, events: new EventTarget() });
  const models = { chosenModel: (...ids) => ids.map((id) => MODELS[id]).find(Boolean) ?? MODELS.m, modelById: (id) => MODELS[id] ?? null };
  const runs = new Runs({ store: tab.store, settings, models, environment: stage.environment });
  const asked = (index = 0) => stage.requests[index].body;
  return { browser, tab, store: tab.store, stage, settings, runs, asked };
}

const texts = (store) => store.path.value.map(textOf);

// Sends and waits until the answers are kept; opens the thread.
async function sent({ store, stage, runs }, threadId, content, options) {
  const made = await runs.send(threadId, content, options);
  await store.openThread(made.threadId);
  await stage.until(Promise.all(made.runs.map((run) => run.finished)));
  return made;
}

test("a first message makes a thread, and its answer is kept with all figures", async () => {
  const { store, asked, ...rest } = await page([says("Hello")]);
  const { threadId } = await sent({ store, ...rest }, null, "Hi there");
  assert.equal(store.getThread(threadId).title, "Hi there");
  const [, answer] = store.path.value;
  assert.equal(textOf(answer), "Hello");
  const { status, model, usage, cost, finishReason, context, timing, active } = answer;
  assert.deepEqual({ status, model, usage, cost, finishReason, context, active }, { status: "done", model: "m", usage: USAGE, cost: 50 / 1e6, finishReason: "stop", context: 14, active: undefined });
  assert.equal(timing.tokens, 4);
  assert.deepEqual(asked().messages, [{ role: "user", content: "Hi there" }]);
  assert.equal(asked().stream, true);
  assert.equal(activeRuns.value.size, 0);
  assert.equal(store.live.messages.value.size, 0);
});

test("settings count where a thread says nothing", async () => {
  const { settings, store, asked, ...rest } = await page([says("a")]);
  settings.systemPrompt.value = "Be kind.";
  settings.parameters.value = { temperature: 1, seed: 3 };
  settings.stream.value = false;
  const { threadId } = await sent({ store, ...rest }, null, "one");
  assert.deepEqual([asked().messages[0].content, asked().temperature, asked().seed, asked().stream], ["Be kind.", 1, 3, false]);
  await store.updateThread(threadId, { systemPrompt: "", params: { temperature: 0 }, stream: true, model: "other" });
  await sent({ store, ...rest }, threadId, "two");
  const body = asked(1);
  assert.deepEqual([body.messages[0].role, body.temperature, body.seed, body.stream, body.model], ["user", 0, 3, true, "other"]);
  assert.equal(body.messages.length, 3);
});

test("an answer is in the thread while it grows, for whoever reloads", async () => {
  const made = await page([begins("Once upon a time")]);
  const { runs: [run] } = await made.runs.send(null, "Tell");
  assert.equal(activeRuns.value.get(run.id), run);
  await made.stage.advance(900);
  const { status, parts, active } = await made.browser.database.get("messages", run.id);
  assert.deepEqual({ status, text: parts[0].text, active }, { status: "writing", text: "Once upon a time", active: 1 });
  run.stop();
  await made.stage.until(run.finished);
});

test("another tab shows the answer live, stops it, and marks it when its tab is gone", async () => {
  const made = await page([begins("Once")]);
  const other = await page([never], made.browser);
  const { threadId, runs: [run] } = await made.runs.send(null, "Tell");
  await other.store.openThread(threadId);
  await made.stage.advance(900);
  assert.deepEqual(texts(other.store), ["Tell", "Once"]);
  other.runs.stop(run.id);
  await settle();
  await made.stage.until(run.finished);
  await settle();
  assert.equal(other.store.path.value[1].status, "canceled");

  const [again] = await made.runs.answer(threadId, other.store.path.value[0].id);
  await made.stage.advance(900);
  made.tab.kill();
  await made.browser.timers.advance(9000);
  assert.equal(other.store.path.value[1].id, again.id);
  assert.equal(other.store.path.value[1].status, "interrupted");
  assert.deepEqual(texts(other.store), ["Tell", "Once"]);
  again.stop();
});

test("a stop keeps the text and says canceled", async () => {
  const made = await page([begins("Once")]);
  const { threadId, runs: [run] } = await made.runs.send(null, "Tell");
  await made.store.openThread(threadId);
  await made.stage.advance(100);
  made.runs.stopThread(threadId);
  assert.equal(await made.stage.until(run.finished), "canceled");
  const [, answer] = made.store.path.value;
  assert.deepEqual([textOf(answer), answer.status, answer.error], ["Once", "canceled", null]);
});

test("a stop before anything came says canceled, and is not sent as an answer", async () => {
  const made = await page([never, says("Yes")]);
  const { threadId, runs: [run] } = await made.runs.send(null, "Tell");
  await made.store.openThread(threadId);
  await made.stage.advance(100);
  run.stop();
  await made.stage.until(run.finished);
  assert.deepEqual([made.store.path.value.length, made.store.path.value[1].status], [2, "canceled"]);
  await sent(made, threadId, "Now?");
  assert.deepEqual(made.asked(1).messages.map(({ role }) => role), ["user", "user"]);
});

test("an error before anything came leaves no answer, but its reason with the question", async () => {
  const made = await page([refuses(404, "model_not_found"), says("Hello")]);
  const { threadId, message } = await sent(made, null, "Hi");
  assert.deepEqual(texts(made.store), ["Hi"]);
  const [failure] = made.store.path.value[0].failures;
  assert.deepEqual([failure.model, failure.error.code, failure.error.status], ["m", "model_not_found", 404]);
  assert.equal(made.store.current.value.leaf, message.id);
  const [run] = await made.runs.answer(threadId, message.id);
  await made.stage.until(run.finished);
  assert.deepEqual(texts(made.store), ["Hi", "Hello"]);
  assert.deepEqual(made.store.path.value[0].failures, []);
});

test("an error in the middle keeps the text, marked", async () => {
  const made = await page([() => response([event(piece("Once")), event({ error: { code: "upstream_truncated", message: "cut" } })])]);
  await sent(made, null, "Tell");
  const [, answer] = made.store.path.value;
  assert.deepEqual([textOf(answer), answer.status, answer.error.code], ["Once", "error", "upstream_truncated"]);
});

test("a refusal for want of a key asks for one", async () => {
  needsSignIn.value = false;
  await sent(await page([refuses(401, "invalid_api_key")]), null, "Hi");
  assert.equal(needsSignIn.value, true);
});

test("another answer stands beside the first; one that fails leaves the first visible", async () => {
  const made = await page([says("One"), says("Two"), refuses(400, "invalid_request")]);
  const { threadId, runs: [first] } = await sent(made, null, "Say");
  const [second] = await made.runs.regenerate(threadId, first.id, { model: "other" });
  await made.stage.until(second.finished);
  assert.deepEqual(texts(made.store), ["Say", "Two"]);
  assert.deepEqual(made.store.siblingsOf(second.id).map((message) => [textOf(message), message.model]), [["One", "m"], ["Two", "other"]]);
  assert.deepEqual(made.asked(1).messages, [{ role: "user", content: "Say" }]);
  const [third] = await made.runs.regenerate(threadId, second.id);
  assert.equal(made.asked(2)?.model ?? third.model, "other");
  await made.stage.until(third.finished);
  assert.deepEqual(texts(made.store), ["Say", "Two"]);
});

test("an answer of a model that is gone is given again by the one of today", async () => {
  const made = await page([says("New")]);
  const { id } = await made.store.createThread({ model: "other" });
  const { id: question } = await made.store.addMessage(id, { role: "user", parts: "Say" });
  const old = await made.store.addMessage(id, { role: "assistant", parts: "Old", model: "of-former-days" });
  const [run] = await made.runs.regenerate(id, old.id);
  await made.stage.until(run.finished);
  assert.equal(made.asked().model, "other");
  await made.store.deleteMessage(id, question);
  const [alone] = await made.runs.regenerate(id, old.id);
  await made.stage.until(alone.finished);
  assert.deepEqual(made.asked(1).messages, [], "nothing stands above it");
});

test("an edited question gets an answer of its own", async () => {
  const made = await page([says("One"), says("Two")]);
  const { threadId, message } = await sent(made, null, "Say");
  const [run] = await made.runs.resend(threadId, message.id, "Say else");
  await made.stage.until(run.finished);
  assert.deepEqual(texts(made.store), ["Say else", "Two"]);
  await made.store.showMessage(threadId, message.id);
  assert.deepEqual(texts(made.store), ["Say", "One"]);
});

test("an answer goes on where it stopped, and its figures add up", async () => {
  const made = await page([begins("One, two,"), says(" three")]);
  const { threadId, runs: [run] } = await made.runs.send(null, "Count");
  await made.store.openThread(threadId);
  await made.stage.advance(100);
  run.stop();
  await made.stage.until(run.finished);
  const [more] = await made.runs.continueAnswer(threadId, run.id);
  assert.equal(more.id, run.id);
  await made.stage.until(more.finished);
  const [, answer] = made.store.path.value;
  assert.deepEqual([textOf(answer), answer.status, answer.context], ["One, two, three", "done", 14]);
  assert.deepEqual(made.asked(1).messages[1], { role: "assistant", content: "One, two," });
  assert.equal(made.asked(1).messages[2].role, "user");
  assert.equal(made.store.messages.value.size, 2);
});

test("an answer that ended goes on, and what both parts used is summed", async () => {
  const made = await page([says("One,"), says(" two")]);
  const { threadId, runs: [run] } = await sent(made, null, "Count");
  const [more] = await made.runs.continueAnswer(threadId, run.id);
  await made.stage.until(more.finished);
  const [, answer] = made.store.path.value;
  assert.deepEqual([textOf(answer), answer.usage.total_tokens, answer.context, answer.cost], ["One, two", 28, 14, 100 / 1e6]);
});

test("two tabs do not go on with the same answer", async () => {
  const made = await page([says("One,"), says(" two")]);
  const other = await page([says(" zwei")], made.browser);
  const { threadId, runs: [run] } = await sent(made, null, "Count");
  await settle();
  const [ours, theirs] = await Promise.all([made, other].map(({ runs }) => runs.continueAnswer(threadId, run.id).then(async (begun) => {
    for (const each of begun) await each.finished;
    return begun.length;
  })).map((going, index) => [made, other][index].stage.until(going)));
  assert.equal(ours + theirs, 1);
  const [, answer] = made.store.path.value;
  assert.match(textOf(answer), /^One,( two| zwei)$/);
});

test("an answer whose attachments cannot be read is not left hanging", async () => {
  const made = await page([says("x")]);
  const { id } = await made.store.createThread();
  const { id: question } = await made.store.addMessage(id, { role: "user", parts: [{ type: "image", blob: "b" }] });
  const { get } = made.browser.database;
  made.browser.database.get = async (store, ...rest) => (store === "blobs" ? assert.fail("broken") : get.call(made.browser.database, store, ...rest));
  await assert.rejects(made.runs.answer(id, question), { message: "broken" });
  assert.equal(await made.browser.database.count("messages", "active", 1), 0);
  assert.equal(made.store.live.messages.value.size, 0);
});

test("an answer that cannot go on keeps what it was", async () => {
  const made = await page([begins("One"), refuses(400, "invalid_request")]);
  const { threadId, runs: [run] } = await made.runs.send(null, "Count");
  await made.store.openThread(threadId);
  await made.stage.advance(100);
  run.stop();
  await made.stage.until(run.finished);
  const [more] = await made.runs.continueAnswer(threadId, run.id);
  await made.stage.until(more.finished);
  const [, answer] = made.store.path.value;
  assert.deepEqual([textOf(answer), answer.status, answer.error.code], ["One", "error", "invalid_request"]);
});

test("models are compared side by side, each with its own end", async () => {
  const answers = { m: says("from m"), other: refuses(500, "internal_error") };
  const made = await page([(request) => answers[request.body.model](request)]);
  const { runs, message } = await sent(made, null, "Compare", { models: ["m", "other"] });
  assert.deepEqual(runs.map((run) => run.state.value), ["done", "error"]);
  assert.deepEqual(texts(made.store), ["Compare", "from m"]);
  assert.deepEqual(made.store.messages.value.get(message.id).failures.map(({ model }) => model), ["other"]);
});

test("threads are answered at the same time", async () => {
  const made = await page([begins("first"), says("second")]);
  const one = await made.runs.send(null, "1");
  await made.stage.advance(50);
  const two = await made.runs.send(null, "2");
  await made.stage.until(two.runs[0].finished);
  assert.equal(one.runs[0].state.value, "writing");
  assert.deepEqual([...made.store.live.messages.value.values()], [one.threadId]);
  one.runs[0].stop();
  await made.stage.until(one.runs[0].finished);
  await made.store.openThread(one.threadId);
  assert.deepEqual(texts(made.store), ["1", "first"]);
});

test("an answer whose message is deleted ends", async () => {
  const made = await page([begins("Once")]);
  const { threadId, runs: [run] } = await made.runs.send(null, "Tell");
  await made.stage.advance(100);
  await made.store.deleteThreads(threadId);
  await made.stage.advance(1000);
  assert.equal(await made.stage.until(run.finished), "canceled");
  assert.deepEqual(await made.browser.database.all("messages"), []);
});

test("when nothing can be kept the answer stays on the page", async () => {
  const made = await page([() => response([event(piece("Kept")), event(piece(" here", "stop")) + DONE])]);
  const { change } = made.browser.database;
  const { threadId, runs: [run] } = await made.runs.send(null, "Tell");
  await made.store.openThread(threadId);
  made.browser.database.change = async () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  await made.stage.until(run.finished);
  assert.equal(made.store.problem.value.code, "quota");
  assert.equal(activeRuns.value.get(run.id).text.value, "Kept here");
  made.browser.database.change = change;
  activeRuns.value = new Map();
});

test("commands for what is gone do nothing", async () => {
  const made = await page([says("x")]);
  assert.deepEqual(await made.runs.regenerate("none", "none"), []);
  assert.deepEqual(await made.runs.continueAnswer("none", "none"), []);
  assert.deepEqual(await made.runs.resend("none", "none", "x"), []);
  assert.deepEqual((await made.runs.send("none", "x")).runs, []);
  assert.equal(made.stage.requests.length, 0);
  made.runs.stop("none");
});
