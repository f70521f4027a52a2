// Threads and messages as components use them, on a database in memory: what changes, what is seen, what comes back.

import "./vendored.mjs";

import assert from "node:assert/strict";
import test from "node:test";

import { Browser, SlowDatabase, settle } from "./tabs.mjs";

const { textOf } = await import("../../llms/ui/store/message.mjs");

const texts = (store) => store.path.value.map(textOf);

// A thread "Hello" with an answer, open.
async function conversation(browser = new Browser()) {
  const { store } = await browser.tab();
  const thread = await store.createThread();
  await store.openThread(thread.id);
  const question = await store.addMessage(thread.id, { role: "user", parts: "Hello" });
  const answer = await store.addMessage(thread.id, { role: "assistant", parts: "Hi", model: "m" });
  return { browser, store, id: thread.id, question, answer };
}

test("a thread takes its name from what was first said, and shows the path", async () => {
  const { store, id } = await conversation();
  assert.equal(store.getThread(id).title, "Hello");
  assert.deepEqual(texts(store), ["Hello", "Hi"]);
  assert.equal(store.current.value.leaf, store.path.value[1].id);
});

test("all of it is still there for the next page", async () => {
  const { browser, id } = await conversation();
  const { store } = await browser.tab();
  assert.deepEqual(store.threads.value.map((thread) => thread.title), ["Hello"]);
  assert.deepEqual(texts(store), []);
  await store.openThread(id);
  assert.deepEqual(texts(store), ["Hello", "Hi"]);
});

test("the documented functions change a message where it stands", async () => {
  const { store, id, answer } = await conversation();
  await store.updateMessageContent(id, answer.id, "Hi there");
  const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
  await store.updateMessageUsage(id, answer.id, usage);
  const [, kept] = store.path.value;
  assert.equal(textOf(kept), "Hi there");
  assert.deepEqual(kept.usage, usage);
  await store.deleteMessage(id, answer.id);
  assert.deepEqual(texts(store), ["Hello"]);
});

test("usage may be kept with the last message that says a text", async () => {
  const { store, id } = await conversation();
  await store.updateMessageUsage(id, "Hi", { total_tokens: 7 });
  assert.deepEqual(store.path.value[1].usage, { total_tokens: 7 });
});

test("functions may be taken out of the store", async () => {
  const { store, id, answer } = await conversation();
  const { deleteMessage, updateMessageContent, path } = store;
  await updateMessageContent(id, answer.id, "Yes");
  assert.equal(textOf(path.value[1]), "Yes");
  await deleteMessage(id, answer.id);
  assert.equal(path.value.length, 1);
});

test("another text leaves attachments and thoughts where they are", async () => {
  const { store, id, answer } = await conversation();
  const parts = [{ type: "reasoning", text: "hm", duration: 5 }, { type: "text", text: "one" }, { type: "tool_call", id: "c", name: "f", arguments: "{}" }];
  await store.updateMessageContent(id, answer.id, parts);
  await store.updateMessageContent(id, answer.id, "two");
  assert.deepEqual(store.path.value[1].parts.map((part) => part.text ?? part.name), ["hm", "two", "f"]);
});

test("an edited question stands beside the old one", async () => {
  const { store, id, question } = await conversation();
  const edited = await store.editMessage(id, question.id, "Good day");
  assert.deepEqual(texts(store), ["Good day"]);
  assert.deepEqual(store.siblingsOf(edited.id).map(textOf), ["Hello", "Good day"]);
  await store.showMessage(id, question.id);
  assert.deepEqual(texts(store), ["Hello", "Hi"]);
});

test("a fork is a thread of its own", async () => {
  const { store, id, question, answer } = await conversation();
  await store.addMessage(id, { role: "user", parts: "More" });
  const fork = await store.forkThread(id, answer.id);
  await store.openThread(fork.id);
  assert.deepEqual(texts(store), ["Hello", "Hi"]);
  await store.updateMessageContent(fork.id, store.path.value[0].id, "Changed");
  await store.openThread(id);
  assert.deepEqual(texts(store), ["Hello", "Hi", "More"]);
  assert.equal((await store.forkThread(id, "gone")) ?? null, null);
  assert.equal(store.siblingsOf(question.id).length, 1);
});

test("a deleted message comes back within eight seconds, with its place", async () => {
  const { browser, store, id, question } = await conversation();
  await store.deleteMessage(id, question.id);
  assert.deepEqual(texts(store), ["Hi"]);
  assert.deepEqual(store.undos.value.map(({ what, count }) => [what, count]), [["messages", 1]]);
  await browser.timers.advance(7000);
  assert.equal(await store.undo(), true);
  assert.deepEqual(texts(store), ["Hello", "Hi"]);
  assert.deepEqual(store.undos.value, []);
});

test("after eight seconds a deletion is final", async () => {
  const { browser, store, id, question } = await conversation();
  await store.deleteMessage(id, question.id, { subtree: true });
  await browser.timers.advance(8001);
  assert.equal(await store.undo(), false);
  assert.deepEqual(texts(store), []);
  assert.equal((await browser.database.all("messages")).length, 0);
});

test("a deleted thread goes with its messages and draft, and comes back with them", async () => {
  const { browser, store, id } = await conversation();
  store.drafts.write(id, { text: "half" });
  await store.drafts.flush();
  await store.deleteThreads(id);
  assert.equal(store.currentId.value, null);
  for (const name of ["threads", "messages", "drafts"]) assert.deepEqual(await browser.database.all(name), []);
  await store.undo();
  await store.openThread(id);
  assert.deepEqual(texts(store), ["Hello", "Hi"]);
  assert.equal((await store.drafts.read(id)).text, "half");
});

test("taking a deletion back keeps what was changed meanwhile", async () => {
  const { store, id, question, answer } = await conversation();
  await store.deleteMessage(id, question.id);
  await store.updateMessageContent(id, answer.id, "Hi again");
  await store.undo();
  assert.deepEqual(texts(store), ["Hello", "Hi again"]);
});

test("threads stand newest first, pinned ones before them", async () => {
  const browser = new Browser();
  const { store } = await browser.tab();
  const ids = [];
  for (const title of ["old", "middle", "new"]) {
    await browser.timers.advance(1000);
    ids.push((await store.createThread({ title })).id);
  }
  await store.updateThread(ids[0], { pinned: true });
  assert.deepEqual(store.threads.value.map(({ title }) => title), ["old", "new", "middle"]);
  await store.updateThread([ids[1], ids[2]], { archived: true, nonsense: 1 });
  assert.deepEqual(store.threads.value.map(({ archived }) => archived), [false, true, true]);
  assert.ok(!("nonsense" in store.getThread(ids[1])));
});

test("a folder that goes leaves its threads", async () => {
  const { store, id } = await conversation();
  const folder = await store.createFolder(" Work ");
  await store.updateThread(id, { folder: folder.id });
  await store.deleteFolder(folder.id);
  assert.deepEqual(store.folders.value, []);
  assert.equal(store.getThread(id).folder, null);
  await store.undo();
  assert.deepEqual(store.folders.value.map(({ name }) => name), ["Work"]);
  assert.equal(store.getThread(id).folder, folder.id);
});

test("a preset gives a thread what it says, and only that", async () => {
  const { store, id } = await conversation();
  await store.updateThread(id, { model: "mine" });
  const preset = await store.savePreset({ name: "Terse", systemPrompt: "Be brief.", params: { temperature: 0.2, top_p: 7 } });
  await store.applyPreset(id, preset.id);
  const { systemPrompt, params, model } = store.getThread(id);
  assert.deepEqual({ systemPrompt, params, model }, { systemPrompt: "Be brief.", params: { temperature: 0.2 }, model: "mine" });
  await store.savePreset({ ...preset, name: "Terser" });
  assert.deepEqual(store.presets.value.map(({ name, createdAt }) => [name, createdAt]), [["Terser", preset.createdAt]]);
});

test("a draft is kept after a pause, and forgotten when it is empty", async () => {
  const { browser, store, id } = await conversation();
  store.drafts.write(id, { text: "h" });
  store.drafts.write(id, { text: "half a sent" });
  store.drafts.write(null, { text: "for a new one" });
  assert.equal((await store.drafts.read(id)).text, "half a sent");
  await browser.timers.advance(500);
  const { store: next } = await browser.tab();
  assert.equal((await next.drafts.read(id)).text, "half a sent");
  assert.equal((await next.drafts.read()).text, "for a new one");
  await store.drafts.clear(id);
  assert.deepEqual((await browser.database.all("drafts")).map((draft) => draft.id), ["new"]);
});

test("the same file is kept once, and swept when nothing refers to it", async () => {
  const { browser, store, id, question } = await conversation();
  const file = () => new File([new Uint8Array([1, 2, 3])], "a.png", { type: "image/png" });
  const [one, two] = [await store.keepFile(file()), await store.keepFile(file())];
  assert.equal(one.blob, "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81");
  assert.equal(one.blob, two.blob);
  await store.updateMessageContent(id, question.id, [{ type: "image", ...one }]);
  await browser.timers.advance(4_000_000);
  assert.equal(await store.sweepBlobs(), 0);
  await store.deleteMessage(id, question.id);
  assert.equal(await store.sweepBlobs(), 1);
  assert.deepEqual(await browser.database.ids("blobs"), []);
});

test("a file that nobody has used yet survives the sweep for an hour", async () => {
  const { browser, store } = await conversation();
  await store.keepFile(new File(["x"], "x.txt"));
  await browser.timers.advance(60_000);
  assert.equal(await store.sweepBlobs(), 0);
});

test("commands for what is gone change nothing", async () => {
  const { browser, store, id } = await conversation();
  await store.deleteThreads(id);
  await browser.timers.advance(9000);
  assert.equal(await store.addMessage(id, { role: "user", parts: "late" }), null);
  await store.updateThread(id, { title: "late" });
  await store.updateMessageContent(id, "gone", "late");
  await store.deleteMessage(id, "gone");
  assert.deepEqual(await browser.database.all("threads"), []);
  assert.deepEqual(await browser.database.all("messages"), []);
});

test("a write that fails is told, and what was shown stays", async () => {
  const { browser, store, id, answer } = await conversation();
  const { change } = browser.database;
  browser.database.change = async () => {
    throw new DOMException("The disk is full.", "QuotaExceededError");
  };
  await assert.rejects(store.updateMessageContent(id, answer.id, "lost"), { name: "QuotaExceededError" });
  assert.deepEqual(store.problem.value, { code: "quota", message: "The disk is full." });
  assert.deepEqual(texts(store), ["Hello", "Hi"]);
  browser.database.change = change;
  await store.updateMessageContent(id, answer.id, "kept");
  assert.equal(store.problem.value, null);
});

test("of two threads opened at once the last one is shown", async () => {
  const { store, id } = await conversation();
  const other = await store.createThread({ title: "other" });
  await Promise.all([store.openThread(other.id), store.openThread(id), store.openThread(other.id)]);
  assert.equal(store.currentId.value, other.id);
  assert.deepEqual(texts(store), []);
});

test("a thread that is read slowly does not take the place of one that was opened after it", async () => {
  const lag = { turns: 0 };
  const { store, id } = await conversation(new Browser({ database: new SlowDatabase(() => lag.turns) }));
  const other = await store.createThread({ title: "other" });
  lag.turns = 30;
  const slow = store.openThread(id);
  await settle(3);
  lag.turns = 1;
  await store.openThread(other.id);
  await slow;
  assert.equal(store.currentId.value, other.id);
  assert.deepEqual(texts(store), []);
});

test("what is written while a thread is being opened is not missed", async () => {
  const { browser, store, id } = await conversation(new Browser({ database: new SlowDatabase(() => 3) }));
  await store.openThread(null);
  const opening = store.openThread(id);
  await Promise.all([opening, store.addMessage(id, { role: "user", parts: "More" })]);
  await settle();
  assert.deepEqual(texts(store), ["Hello", "Hi", "More"]);
  assert.equal((await browser.database.all("messages")).length, 3);
});
