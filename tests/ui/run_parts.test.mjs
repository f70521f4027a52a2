// Parts of a run: the request, thoughts in the text, repetitions, speed, tokens, cost.

import "./vendored.mjs";

import assert from "node:assert/strict";
import test from "node:test";

import { dice } from "./stage.mjs";

const { chatRequest, continuation } = await import("../../llms/ui/run/request.mjs");
const { Thinking } = await import("../../llms/ui/run/thinking.mjs");
const { Overlap } = await import("../../llms/ui/run/overlap.mjs");
const { Timing, percentile } = await import("../../llms/ui/run/timing.mjs");
const { addUsage, contextOf, estimateTokens, figuresOf, totalsOf } = await import("../../llms/ui/run/usage.mjs");
const { costOf } = await import("../../llms/ui/run/cost.mjs");

const text = (value) => ({ type: "text", text: value });
const user = (...parts) => ({ role: "user", parts });
const assistant = (...parts) => ({ role: "assistant", parts });

// Cuts a text into pieces of random size.
function pieces(value, roll) {
  const found = [];
  for (let at = 0; at < value.length; ) {
    const size = 1 + roll.below(6);
    found.push(value.slice(at, at + size));
    at += size;
  }
  return found;
}

// ---- the request

test("a thread becomes OpenAI's messages", async () => {
  const request = await chatRequest({ path: [user(text("Hi")), assistant(text("Ho")), user(text("a"), text("b"))], model: "m", systemPrompt: "Be brief.", params: { temperature: 1 }, stream: false });
  assert.deepEqual(request, {
    model: "m",
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Ho" },
      { role: "user", content: "a\n\nb" },
    ],
    temperature: 1,
    stream: false,
  });
});

test("an empty system prompt, empty answers and thoughts are not sent", async () => {
  const path = [user(text("Hi")), assistant(), assistant({ type: "reasoning", text: "hm" }), user(text("Still?"))];
  const { messages } = await chatRequest({ path, model: "m", systemPrompt: " \n" });
  assert.deepEqual(messages, [{ role: "user", content: "Hi" }, { role: "user", content: "Still?" }]);
});

test("pictures and sound go as data, files as text", async () => {
  const blobs = { p: { type: "image/png", bytes: new Uint8Array([1, 2, 3]).buffer }, s: { type: "audio/mpeg", bytes: new Uint8Array([4]).buffer }, f: { type: "text/plain", bytes: new TextEncoder().encode("long") } };
  const readBlob = async (id) => blobs[id];
  const path = [user(text("Look"), { type: "image", blob: "p", name: "p.png" }, { type: "audio", blob: "s" }, { type: "file", name: "a.js", text: "`x`" }, { type: "file", name: "b.txt", blob: "f" }, { type: "image", blob: "gone", name: "old.png" })];
  const { messages } = await chatRequest({ path, model: "m", readBlob });
  assert.deepEqual(messages[0].content, [
    text("Look"),
    { type: "image_url", image_url: { url: "data:image/png;base64,AQID" } },
    { type: "input_audio", input_audio: { data: "BA==", format: "mp3" } },
    text("a.js\n\n```\n`x`\n```"),
    text("b.txt\n\n```\nlong\n```"),
    text("[old.png: no longer there]"),
  ]);
});

test("a message of text files alone is one text", async () => {
  const { messages } = await chatRequest({ path: [user({ type: "file", name: "a", text: "```" })], model: "m" });
  assert.deepEqual(messages, [{ role: "user", content: "a\n\n````\n```\n````" }]);
});

test("calls of tools are sent with their results, without them not at all", async () => {
  const call = (id) => ({ type: "tool_call", id, name: "f", arguments: "{}" });
  const path = [user(text("Do")), assistant(text("First "), call("1"), { type: "tool_result", id: "1", text: "ok" }, text("then"), call("2"))];
  const { messages } = await chatRequest({ path, model: "m" });
  assert.deepEqual(messages.slice(1), [
    { role: "assistant", content: "First ", tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "{}" } }] },
    { role: "tool", tool_call_id: "1", content: "ok" },
    { role: "assistant", content: "then" },
  ]);
});

test("an answer is continued as text where the model does that, else by an instruction", async () => {
  const path = [user(text("Count")), assistant(text("One, two"))];
  const plain = await continuation({ path, model: "m", continuesText: true });
  assert.deepEqual(plain.messages.at(-1), { role: "assistant", content: "One, two" });
  const told = await continuation({ path, model: "m" });
  assert.deepEqual(told.messages.at(-2), { role: "assistant", content: "One, two" });
  assert.equal(told.messages.at(-1).role, "user");
});

// ---- thoughts in the text

const thinkingOf = (given) => {
  const thinking = new Thinking();
  const all = [...given.map((piece) => thinking.feed(piece)), thinking.end()];
  return { text: all.map((each) => each.text).join(""), reasoning: all.map((each) => each.reasoning).join("") };
};

for (const [given, expected] of [
  ["plain", { text: "plain", reasoning: "" }],
  ["  indented", { text: "  indented", reasoning: "" }],
  ["<think>\nhm\n</think>\n\nAnswer <think>", { text: "Answer <think>", reasoning: "hm\n" }],
  ["\n<think>no end", { text: "", reasoning: "no end" }],
  ["<think></think>x", { text: "x", reasoning: "" }],
  ["[THINK]a[/THINK]b", { text: "b", reasoning: "a" }],
  ["<thinking>a</think>b</thinking>c", { text: "c", reasoning: "a</think>b" }],
  ["<think> ", { text: "", reasoning: "" }],
  ["<think>a</think> ", { text: "", reasoning: "a" }],
  ["<thi", { text: "<thi", reasoning: "" }],
  ["<table>", { text: "<table>", reasoning: "" }],
  ["a <think>b</think>", { text: "a <think>b</think>", reasoning: "" }],
  ["", { text: "", reasoning: "" }],
]) {
  test(`thoughts are told apart, however it is cut: ${JSON.stringify(given)}`, () => {
    assert.deepEqual(thinkingOf([given]), expected);
    assert.deepEqual(thinkingOf([...given]), expected);
    for (let seed = 0; seed < 50; seed += 1) assert.deepEqual(thinkingOf(pieces(given, dice(seed))), expected);
  });
}

// ---- repetitions

const overlapOf = (begun, given) => {
  const overlap = new Overlap(begun);
  return [...given.map((piece) => overlap.feed(piece)), overlap.end()].join("");
};

const BEGUN = "The quick brown fox jumps over the lazy dog and then it";

for (const [given, expected] of [
  [" sleeps.", " sleeps."],
  ["the lazy dog and then it sleeps.", " sleeps."],
  [`${BEGUN} sleeps.`, " sleeps."],
  ["it sleeps.", "it sleeps."],
  ["The quick brown cat", "The quick brown cat"],
  [BEGUN, ""],
  ["", ""],
]) {
  test(`what is repeated is left out, however it is cut: ${JSON.stringify(given)}`, () => {
    for (let seed = 0; seed < 50; seed += 1) assert.equal(overlapOf(BEGUN, pieces(given, dice(seed))), expected);
  });
}

test("without a beginning nothing is held back", () => {
  const overlap = new Overlap("");
  assert.equal(overlap.feed("x"), "x");
  assert.equal(overlap.end(), "");
});

test("what is shown is the end of what came, whatever comes", () => {
  for (let seed = 0; seed < 500; seed += 1) {
    const roll = dice(seed);
    const letters = () => Array.from({ length: roll.below(60) }, () => "ab "[roll.below(3)]).join("");
    const [begun, more] = [letters(), letters()];
    const shown = overlapOf(begun, pieces(more, roll));
    assert.ok(more.endsWith(shown));
    const dropped = more.slice(0, more.length - shown.length);
    assert.ok(dropped === "" || (begun.endsWith(dropped) && dropped.length >= 12));
  }
});

// ---- speed

test("the speed is estimated until the server counts, and exact at the end", () => {
  const timing = new Timing(1000);
  assert.deepEqual(timing.now(1500), { elapsed: 500, ttft: null, tokens: 0, tokensPerSecond: null, isEstimate: true });
  for (let piece = 0; piece < 11; piece += 1) timing.add(4, 2000 + piece * 100);
  assert.deepEqual(timing.now(3000), { elapsed: 2000, ttft: 1000, tokens: 11, tokensPerSecond: 11, isEstimate: true });
  timing.tell(20);
  timing.add(8, 3500);
  assert.deepEqual(timing.now(4000), { elapsed: 3000, ttft: 1000, tokens: 22, tokensPerSecond: 11, isEstimate: false });
  const end = timing.end(4000, 30);
  assert.deepEqual({ ...end, curve: null }, { ttft: 1000, tokens: 30, tokensPerSecond: 15, isEstimate: false, duration: 3000, p95: 500, curve: null });
});

test("an answer in one piece counts from the request", () => {
  const timing = new Timing(0);
  timing.add(400, 2000);
  assert.equal(timing.end(2000, 100).tokensPerSecond, 50);
});

test("the curve holds all tokens in at most 64 values, however long it takes", () => {
  for (const seconds of [1, 15, 100, 3000]) {
    const timing = new Timing(0);
    for (let at = 0; at < seconds * 1000; at += 50) timing.add(3, at);
    const { curve, tokens } = timing.end(seconds * 1000, 1000);
    assert.ok(curve.rates.length <= 64, `${curve.rates.length}`);
    const sum = curve.rates.reduce((all, rate) => all + (rate * curve.width) / 1000, 0);
    assert.ok(Math.abs(sum - tokens) < tokens * 0.1 + 5, `${seconds} s: ${sum}`);
  }
});

test("percentiles are values that occurred", () => {
  assert.equal(percentile([], 0.95), null);
  assert.equal(percentile([5], 0.95), 5);
  assert.equal(percentile(Array.from({ length: 100 }, (_, index) => index + 1), 0.95), 95);
});

// ---- tokens and cost

test("usage is understood in both spellings", () => {
  assert.equal(figuresOf(null), null);
  assert.deepEqual(figuresOf({ prompt_tokens: 7, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 2 }, completion_tokens_details: { reasoning_tokens: 3 } }), { input: 7, output: 5, cached: 2, reasoning: 3, total: 12 });
  assert.deepEqual(figuresOf({ input_tokens: 7, output_tokens: 5, cache_read_input_tokens: 2 }), { input: 7, output: 5, cached: 2, reasoning: 0, total: 12 });
  assert.deepEqual(figuresOf({ prompt_tokens: "x", completion_tokens: -1 }), { input: 0, output: 0, cached: 0, reasoning: 0, total: 0 });
});

test("usages add up, and nothing adds nothing", () => {
  const sum = addUsage({ prompt_tokens: 7, completion_tokens: 5 }, { prompt_tokens: 1, completion_tokens: 2 });
  assert.deepEqual(figuresOf(sum), { input: 8, output: 7, cached: 0, reasoning: 0, total: 15 });
  assert.deepEqual(addUsage(null, { prompt_tokens: 1 }), { prompt_tokens: 1 });
  assert.equal(addUsage(null, null), null);
});

test("the cost is that of the price, cached tokens at theirs", () => {
  const usage = { prompt_tokens: 1_000_000, completion_tokens: 100_000, prompt_tokens_details: { cached_tokens: 500_000 } };
  assert.equal(costOf(usage, { input: 2, output: 10, cachedInput: 1 }), 2.5);
  assert.equal(costOf(usage, { input: 2, output: 10, cachedInput: null }), 3);
  assert.equal(costOf(null, { input: 1, output: 1 }), null);
  assert.equal(costOf(usage, null), null);
});

test("a thread's totals and how full its context is", () => {
  const path = [user(text("x".repeat(40))), { ...assistant(text("y")), usage: { prompt_tokens: 90, completion_tokens: 10 }, cost: 0.5 }, user(text("z".repeat(40)))];
  assert.deepEqual(totalsOf(path), { input: 90, output: 10, total: 100, cost: 0.5 });
  assert.equal(totalsOf([user()]).cost, null);
  assert.deepEqual(contextOf({ path, draft: "d".repeat(40), contextWindow: 1000 }), { tokens: 120, share: 0.12, isEstimate: true });
  assert.deepEqual(contextOf({ path: path.slice(0, 2), contextWindow: 50 }), { tokens: 100, share: 1, isEstimate: false });
  assert.deepEqual(contextOf({ path: [] }), { tokens: 0, share: null, isEstimate: false });
  assert.equal(contextOf({ path: [{ ...path[1], context: 42 }] }).tokens, 42);
  assert.equal(estimateTokens("12345"), 2);
});
