// Threads as files: what goes out comes in again, and what others exported becomes threads.

import "./vendored.mjs";

import assert from "node:assert/strict";
import test from "node:test";

import { Browser } from "./tabs.mjs";

const { textOf } = await import("../../llms/ui/store/message.mjs");
const { readImport } = await import("../../llms/ui/store/importing.mjs");
const { Tree } = await import("../../llms/ui/store/tree.mjs");

const file = (value) => new File([typeof value === "string" ? value : JSON.stringify(value)], "export.json");

// A thread with two branches, an image, thoughts, a folder, parameters and a preset.
async function full() {
  const { store } = await new Browser().tab();
  const folder = await store.createFolder("Work");
  const thread = await store.createThread({ title: "Trip: Zürich / Bern!", folder: folder.id, params: { temperature: 0.5 }, systemPrompt: "Be brief." });
  const image = await store.keepFile(new File([new Uint8Array([1, 2, 3])], "map.png", { type: "image/png" }));
  const question = await store.addMessage(thread.id, {
    role: "user",
    parts: [{ type: "text", text: "Where?" }, { type: "image", name: "map.png", ...image }, { type: "file", name: "a.md", text: "```\nx\n```" }],
  });
  await store.addMessage(thread.id, { role: "assistant", model: "up/m", parts: "There.", usage: { total_tokens: 9 }, cost: 0.01 });
  const parts = [{ type: "reasoning", text: "Hm.", duration: 1200 }, { type: "text", text: "Here." }];
  await store.addMessage(thread.id, { role: "assistant", parentId: question.id, model: "up/m", parts });
  await store.savePreset({ name: "Terse", systemPrompt: "Be brief." });
  return { store, thread };
}

// What of a thread does not depend on ids.
async function essence(store, threadId) {
  const tree = new Tree(await store.getMessages(threadId));
  const told = (message) => ({
    parts: message.parts.map(({ blob, ...part }) => ({ ...part, hasBlob: Boolean(blob) })),
    role: message.role,
    model: message.model,
    usage: message.usage,
    cost: message.cost,
    createdAt: message.createdAt,
    below: tree.children(message.id).map(told),
  });
  const { id: _, rev: __, leaf, ...fields } = store.getThread(threadId);
  return { fields, visible: tree.path(leaf).map(textOf), roots: tree.children(null).map(told) };
}

test("an export brings back everything in another browser", async () => {
  const { store, thread } = await full();
  const { file: exported, name } = await store.exportThreads();
  assert.match(name, /^llms-threads-\d{4}-\d{2}-\d{2}\.json$/);
  const other = (await new Browser().tab()).store;
  assert.deepEqual(await other.importThreads(exported), { added: 1, skipped: 0 });
  assert.deepEqual(await essence(other, thread.id), await essence(store, thread.id));
  assert.deepEqual(other.folders.value.map((folder) => folder.name), ["Work"]);
  assert.deepEqual(other.presets.value.map((preset) => preset.name), ["Terse"]);
  const [{ parts }] = await other.getMessages(thread.id);
  const { blob } = parts.find(({ type }) => type === "image");
  assert.deepEqual(new Uint8Array((await other.readBlob(blob)).bytes), new Uint8Array([1, 2, 3]));
});

test("an export of some threads holds only these and their folders", async () => {
  const { store, thread } = await full();
  const other = await store.createThread({ title: "Else" });
  await store.addMessage(other.id, { role: "user", parts: "x" });
  const exported = await store.exportThreads([other.id]);
  assert.match(exported.name, /^else-/);
  const value = JSON.parse(await exported.file.text());
  assert.deepEqual(value.threads.map(({ title }) => title), ["Else"]);
  assert.deepEqual([value.folders, value.presets, value.blobs], [[], [], []]);
  assert.equal(JSON.parse(await (await store.exportThreads(thread.id)).file.text()).blobs.length, 1);
});

test("what is here already is left alone, what differs is added beside it", async () => {
  const { store, thread } = await full();
  const { file: exported } = await store.exportThreads();
  assert.deepEqual(await store.importThreads(exported), { added: 0, skipped: 1 });
  await new Promise((resolve) => setTimeout(resolve, 2));
  await store.updateThread(thread.id, { title: "Renamed", updatedAt: thread.updatedAt + 1000 });
  assert.deepEqual(await store.importThreads(exported), { added: 1, skipped: 0 });
  assert.deepEqual(store.threads.value.map(({ title }) => title).sort(), ["Renamed", "Trip: Zürich / Bern!"]);
});

test("Markdown is what is read, with pictures and files in it", async () => {
  const { store, thread } = await full();
  const { file: exported, name } = await store.exportMarkdown(thread.id, { labels: { user: "Du" }, reasoning: true });
  const text = await exported.text();
  assert.match(name, /^trip-zürich-bern-\d{4}/);
  for (const part of ["# Trip: Zürich / Bern!", "> **System prompt:** Be brief.", "## Du", "![map.png](data:image/png;base64,AQID)", "````\n```\nx\n```\n````", "> **Thoughts:** Hm.", "Here."]) {
    assert.ok(text.includes(part), part);
  }
  assert.ok(!text.includes("There."), "another branch is not what is read");
  assert.ok(!(await (await store.exportMarkdown(thread.id)).file.text()).includes("Hm."));
});

for (const [what, text, code] of [
  ["no JSON", "{", "not_json"],
  ["something else", '{"a":1}', "unknown_format"],
  ["null", "null", "unknown_format"],
  ["a newer version", '{"format":"llms-threads","version":99,"threads":[]}', "newer_version"],
  ["nothing", '{"format":"llms-threads","version":1,"threads":[]}', "empty"],
  ["no conversation", "[]", "unknown_format"],
]) {
  test(`a file with ${what} is refused with a reason`, () => {
    assert.throws(() => readImport(text), (error) => error.name === "ImportError" && error.code === code && error.message.length > 10);
  });
}

test("a damaged export loses only what is damaged", async () => {
  const { store } = await new Browser().tab();
  const messages = [
    { id: "1", role: "user", parts: [{ type: "text", text: "ok" }, { type: "text", text: 5 }, { type: "script", text: "x" }, { type: "image", blob: "none", name: { a: 1 } }], createdAt: "x" },
    { id: "2", parentId: "1", role: "assistant", parts: [{ type: "text", text: "fine" }], status: "writing", usage: 7 },
    { id: "3", parentId: "4", role: "user", parts: [] },
    { id: "4", parentId: "3", role: "user", parts: [] },
    { id: "5", parentId: "gone", role: "user", parts: [] },
    { id: "6", role: "villain", parts: [] },
    "text",
    null,
  ];
  const threads = [{ id: 5, title: {}, params: { temperature: 99 }, leaf: "2", messages }, 7, { messages: "none" }];
  const blobs = [{ id: "wrong", type: "image/png", base64: "AQID" }, { id: "worse", base64: "%%" }];
  const result = await store.importThreads(file({ format: "llms-threads", version: 1, threads, blobs, folders: [{}], presets: "x" }));
  assert.deepEqual(result, { added: 1, skipped: 0 });
  const [thread] = store.threads.value;
  assert.deepEqual([thread.title, thread.params], ["", {}]);
  await store.openThread(thread.id);
  assert.deepEqual(store.path.value.map(textOf), ["ok", "fine"]);
  assert.deepEqual(store.path.value[0].parts.map(({ type }) => type), ["text", "image"]);
  assert.ok(!("name" in store.path.value[0].parts[1]));
  assert.equal(store.path.value[1].status, "done");
  assert.equal(store.messages.value.size, 5);
  assert.equal(store.tree.value.subtree(null).length - 1, 5, "all of them within reach");
  assert.equal(await store.readBlob("wrong"), undefined);
});

test("many threads are added in steps", async () => {
  const { store } = await new Browser().tab();
  const threads = Array.from({ length: 45 }, (_, index) => ({ id: `t${index}`, title: `${index}`, messages: [{ id: "same", role: "user", parts: [{ type: "text", text: `${index}` }] }] }));
  const steps = [];
  const result = await store.importThreads(file({ format: "llms-threads", version: 1, threads: [...threads, threads[0]] }), (done, all) => steps.push([done, all]));
  assert.deepEqual(result, { added: 45, skipped: 1 });
  assert.deepEqual(steps, [[20, 45], [40, 45], [45, 45]]);
  assert.equal((await store.getMessages("t7")).map(textOf)[0], "7");
});

// ---- ChatGPT

const node = (id, parent, role, text, more = {}) => ({
  id,
  parent,
  message: { id, author: { role }, create_time: 1_700_000_000 + Number(id), content: { content_type: "text", parts: [text] }, metadata: {}, recipient: "all", ...more },
});

const CONVERSATION = {
  conversation_id: "c-1",
  title: "Cats",
  create_time: 1_700_000_000.5,
  update_time: 1_700_000_100,
  current_node: "9",
  default_model_slug: "gpt-5",
  is_archived: true,
  mapping: {
    0: { id: "0", parent: null, message: null },
    1: node("1", "0", "system", "", { metadata: { is_visually_hidden_from_conversation: true } }),
    2: node("2", "1", "user", "Do cats fly?"),
    3: node("3", "2", "assistant", "No.", { metadata: { model_slug: "gpt-4o" } }),
    4: node("4", "2", "assistant", "", { content: { content_type: "thoughts", thoughts: [{ summary: "Think", content: "of cats" }] } }),
    5: node("5", "4", "assistant", "search()", { recipient: "browser" }),
    6: node("6", "5", "tool", "results"),
    7: node("7", "6", "assistant", "They do not."),
    8: { id: "8", parent: "7", message: { author: { role: "user" }, create_time: 1_700_000_050, content: { content_type: "multimodal_text", parts: [{ content_type: "image_asset_pointer" }, "And this one?"] } } },
    9: node("9", "8", "assistant", "print(1)", { content: { content_type: "code", language: "python", text: "print(1)" } }),
  },
};

test("a ChatGPT export becomes threads with branches, thoughts and names of models", async () => {
  const { store } = await new Browser().tab();
  assert.deepEqual(await store.importThreads(file([CONVERSATION])), { added: 1, skipped: 0 });
  const [thread] = store.threads.value;
  assert.deepEqual([thread.id, thread.title, thread.archived, thread.updatedAt], ["c-1", "Cats", true, 1_700_000_100_000]);
  await store.openThread(thread.id);
  assert.deepEqual(store.path.value.map(textOf), ["Do cats fly?", "They do not.", "*[image]*\n\nAnd this one?", "```python\nprint(1)\n```"]);
  const [question, answer] = store.path.value;
  assert.deepEqual(answer.parts[0], { type: "reasoning", text: "Think\nof cats" });
  assert.deepEqual(store.siblingsOf(answer.id).map((message) => [textOf(message), message.model]), [["No.", "gpt-4o"], ["They do not.", "gpt-5"]]);
  assert.equal(question.createdAt, 1_700_000_002_000);
  assert.deepEqual(await store.importThreads(file([CONVERSATION])), { added: 0, skipped: 1 });
});

test("odd ChatGPT conversations are taken as far as they go", async () => {
  const { store } = await new Browser().tab();
  const circle = { conversation_id: "c-2", mapping: { a: node("1", "b", "user", "round"), b: { parent: "a", message: null } }, current_node: "b" };
  const empty = { mapping: {}, title: "empty" };
  const bare = { mapping: { x: { message: { author: { role: "user" }, content: { content_type: "text", parts: ["bare", null, 5] } } } } };
  const result = await store.importThreads(file([CONVERSATION, circle, empty, bare, null, 7, { mapping: null }]));
  assert.deepEqual(result, { added: 3, skipped: 0 });
  assert.deepEqual(store.threads.value.map(({ title }) => title).sort(), ["Cats", "bare", "round"]);
});
