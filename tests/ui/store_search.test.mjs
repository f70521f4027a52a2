// Search: by title and text, in any writing, always up to date.

import "./vendored.mjs";

import assert from "node:assert/strict";
import test from "node:test";

import { Browser, settle } from "./tabs.mjs";

const { snippetOf } = await import("../../llms/ui/store/search.mjs");

async function library(texts) {
  const browser = new Browser();
  const { store } = await browser.tab();
  const ids = {};
  for (const [title, ...messages] of texts) {
    ids[title] = (await store.createThread({ title })).id;
    for (const text of messages) await store.addMessage(ids[title], { role: "user", parts: text });
  }
  await store.prepareSearch();
  const find = async (query) => (await store.search(query)).map(({ threadId }) => store.getThread(threadId).title);
  return { browser, store, ids, find };
}

const TEXTS = [
  ["Rust lifetimes", "How does the borrow checker think?", "It counts scopes."],
  ["Cooking", "A recipe for Käsespätzle with onions", "Fry the onions slowly."],
  ["日本語", "東京タワーはどこですか"],
  ["Empty"],
];

test("titles and texts are found, by the beginnings of words", async () => {
  const { find } = await library(TEXTS);
  assert.deepEqual(await find("borrow"), ["Rust lifetimes"]);
  assert.deepEqual(await find("onio"), ["Cooking"]);
  assert.deepEqual(await find("EMPTY"), ["Empty"]);
  assert.deepEqual(await find("r"), ["Rust lifetimes"], "not the recipe: the beginning of a title");
  assert.deepEqual(await find("It"), ["Rust lifetimes"], "a word of two letters");
  assert.deepEqual(await find("nothing of this"), []);
  assert.deepEqual(await find("  ,. "), []);
});

test("accents, small mistakes and scripts without spaces do not matter", async () => {
  const { find } = await library(TEXTS);
  assert.deepEqual(await find("kasespatzle"), ["Cooking"]);
  assert.deepEqual(await find("Käse"), ["Cooking"]);
  assert.deepEqual(await find("lifetmes"), ["Rust lifetimes"]);
  assert.deepEqual(await find("タワー"), ["日本語"]);
});

test("all words must be there, in one text or across a thread", async () => {
  const { find } = await library(TEXTS);
  assert.deepEqual(await find("recipe onions"), ["Cooking"]);
  assert.deepEqual(await find("rust scopes"), ["Rust lifetimes"]);
  assert.deepEqual(await find("recipe scopes"), []);
});

test("a hit tells the message and shows the words in their surroundings", async () => {
  const { store, ids } = await library(TEXTS);
  const [hit] = await store.search("checker");
  assert.equal(hit.threadId, ids["Rust lifetimes"]);
  assert.equal((await store.getMessages(hit.threadId))[0].id, hit.messageId);
  const [[start, end]] = hit.snippet.marks;
  assert.equal(hit.snippet.text.slice(start, end), "checker");
  assert.deepEqual((await store.search("cook"))[0].snippet, null);
});

test("what changes is found as it is now", async () => {
  const { store, ids, find } = await library(TEXTS);
  const [first] = await store.getMessages(ids.Cooking);
  await store.updateMessageContent(ids.Cooking, first.id, "A recipe for pancakes");
  assert.deepEqual(await find("Käsespätzle"), []);
  assert.deepEqual(await find("pancakes"), ["Cooking"]);
  const late = await store.addMessage(ids.Cooking, { role: "assistant", parts: "With syrup." });
  assert.deepEqual(await find("syrup"), ["Cooking"]);
  await store.deleteMessage(ids.Cooking, late.id);
  assert.deepEqual(await find("syrup"), []);
  await store.updateThread(ids.Cooking, { title: "Kitchen" });
  assert.deepEqual(await find("kitchen"), ["Kitchen"]);
  await store.deleteThreads(ids.Cooking);
  assert.deepEqual(await find("pancakes"), []);
  assert.deepEqual(await find("kitchen"), []);
  await store.undo();
  assert.deepEqual(await find("pancakes"), ["Kitchen"]);
});

test("an answer is found when it is whole, also one of another tab", async () => {
  const { browser, store, ids, find } = await library(TEXTS);
  const own = crypto.randomUUID();
  await store.live.hold(own);
  await store.addMessage(ids.Empty, { id: own, role: "assistant", status: "writing", parts: "giraffe" });
  assert.deepEqual(await find("giraffe"), []);
  await store.patchMessage(own, { status: "done" });
  assert.deepEqual(await find("giraffe"), ["Empty"]);
  const other = (await browser.tab()).store;
  const id = crypto.randomUUID();
  await other.live.hold(id);
  const message = await other.addMessage(ids.Empty, { id, role: "assistant", status: "writing", parts: "zebra" });
  await settle();
  assert.deepEqual(await find("zebra"), []);
  await other.patchMessage(message.id, { status: "done" });
  await settle(60);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.deepEqual(await find("zebra"), ["Empty"]);
  assert.equal(store.searchProgress.value, 1);
});

test("a snippet is one line around the first hit", () => {
  const text = `${"before ".repeat(40)}needle\n${"after ".repeat(60)}`;
  const { text: line, marks } = snippetOf(text, ["needle"]);
  assert.ok(line.startsWith("…") && line.endsWith("…") && !line.includes("\n") && line.length < 200);
  assert.deepEqual(marks.map(([start, end]) => line.slice(start, end)), ["needle"]);
  assert.deepEqual(snippetOf("short", ["none"]), { text: "short", marks: [] });
});
