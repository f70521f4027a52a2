// Several tabs: what one writes the others show, and what one leaves half written the others mark.

import "./vendored.mjs";

import assert from "node:assert/strict";
import test from "node:test";

import { dice } from "./stage.mjs";
import { Browser, SlowDatabase, settle } from "./tabs.mjs";

const { textOf } = await import("../../llms/ui/store/message.mjs");
const texts = (store) => store.path.value.map(textOf);

async function twoTabs(options) {
  const browser = new Browser(options);
  const [one, two] = [await browser.tab(), await browser.tab()];
  const thread = await one.store.createThread({ title: "common" });
  await settle();
  await Promise.all([one.store.openThread(thread.id), two.store.openThread(thread.id)]);
  return { browser, one, two, id: thread.id };
}

// A tab begins to write an answer and gets as far as a text.
async function begin(tab, threadId, text) {
  const id = crypto.randomUUID();
  const free = await tab.store.live.hold(id);
  await tab.store.addMessage(threadId, { id, role: "assistant", status: "queued" });
  await tab.store.patchMessage(id, { status: "writing", parts: [{ type: "text", text }] });
  await settle();
  return { id, free };
}

test("another tab shows new threads, names and messages", async () => {
  const { one, two, id } = await twoTabs();
  assert.deepEqual(two.store.threads.value.map(({ title }) => title), ["common"]);
  await one.store.addMessage(id, { role: "user", parts: "Hello" });
  await one.store.updateThread(id, { title: "renamed" });
  await settle();
  assert.deepEqual(texts(two.store), ["Hello"]);
  assert.equal(two.store.current.value.title, "renamed");
});

test("another tab drops what was deleted, and shows it again when that is taken back", async () => {
  const { one, two, id } = await twoTabs();
  const message = await one.store.addMessage(id, { role: "user", parts: "Hello" });
  await one.store.deleteMessage(id, message.id);
  await settle();
  assert.deepEqual(texts(two.store), []);
  await one.store.undo();
  await settle();
  assert.deepEqual(texts(two.store), ["Hello"]);
});

test("both tabs may write the same thread", async () => {
  const { one, two, id } = await twoTabs();
  await Promise.all([one.store.updateThread(id, { pinned: true }), two.store.updateThread(id, { folder: "f" })]);
  await settle();
  for (const { store } of [one, two]) assert.deepEqual([store.current.value.pinned, store.current.value.folder], [true, "f"]);
});

test("a great change is taken over as a whole", async () => {
  const { one, two, id } = await twoTabs();
  await one.store.addMessages(id, Array.from({ length: 100 }, (_, index) => ({ role: "assistant", parentId: null, parts: `answer ${index}` })));
  await settle(60);
  assert.equal(two.store.messages.value.size, 100);
});

for (const locks of [true, false]) {
  const name = locks ? "with locks" : "without a secure context";

  test(`an answer grows in all tabs, ${name}`, async () => {
    const { browser, one, two, id } = await twoTabs({ locks });
    const answer = await begin(one, id, "Once");
    assert.deepEqual(texts(two.store), ["Once"]);
    assert.deepEqual([...two.store.live.messages.value], [[answer.id, id]]);
    await browser.timers.advance(30_000);
    assert.equal(two.store.path.value[0].status, "writing");
    await one.store.patchMessage(answer.id, { status: "done", parts: [{ type: "text", text: "Once upon" }] });
    answer.free();
    await settle();
    assert.deepEqual(texts(two.store), ["Once upon"]);
    assert.equal(two.store.path.value[0].status, "done");
    assert.equal(two.store.live.messages.value.size, 0);
    await browser.timers.advance(30_000);
    assert.equal(two.store.path.value[0].status, "done");
  });

  test(`an answer whose tab is closed is marked with what is there, ${name}`, async () => {
    const { browser, one, two, id } = await twoTabs({ locks });
    const answer = await begin(one, id, "Once");
    one.kill();
    await browser.timers.advance(10_000);
    assert.equal(two.store.path.value[0].status, "interrupted");
    assert.deepEqual(texts(two.store), ["Once"]);
    assert.equal(two.store.live.messages.value.size, 0);
    assert.equal(await browser.database.count("messages", "active", 1), 0);
    assert.equal((await browser.database.get("messages", answer.id)).active, undefined);
  });

  test(`a page that is opened later marks what was left, ${name}`, async () => {
    const { browser, one, two, id } = await twoTabs({ locks });
    two.kill();
    await begin(one, id, "Once");
    one.kill();
    const three = await browser.tab();
    await browser.timers.advance(10_000);
    await three.store.openThread(id);
    assert.equal(three.store.path.value[0].status, "interrupted");
  });

  test(`a page that is opened later leaves alone what another tab writes, ${name}`, async () => {
    const { browser, one, id } = await twoTabs({ locks });
    const answer = await begin(one, id, "Once");
    const three = await browser.tab();
    await browser.timers.advance(60_000);
    await three.store.openThread(id);
    assert.equal(three.store.path.value[0].status, "writing");
    assert.deepEqual([...three.store.live.messages.value.keys()], [answer.id]);
  });
}

test("tabs without BroadcastChannel work alone", async () => {
  const { Channel } = await import("../../llms/ui/store/tabs.mjs");
  const channel = new Channel({ BroadcastChannel: undefined });
  channel.tell({ store: "threads", id: "x", rev: 1 });
  channel.say("stop_writing", "x");
  channel.close();
});

// ---- whatever three tabs do at the same time, all show what is kept, and every message is within reach

const someMessage = (store, roll) => roll.pick([...store.messages.value.keys()]) ?? "none";

const DEEDS = [
  (store, id) => store.addMessage(id, { role: "user", parts: "question" }),
  (store, id, roll) => store.addMessage(id, { role: "assistant", parentId: roll.pick([...store.messages.value.keys(), null]), parts: "answer" }),
  (store, id, roll) => store.editMessage(id, someMessage(store, roll), "edited"),
  (store, id, roll) => store.updateMessageContent(id, someMessage(store, roll), "rewritten"),
  (store, id, roll) => store.deleteMessage(id, someMessage(store, roll), { subtree: roll.below(2) === 0 }),
  (store, id, roll) => store.showMessage(id, someMessage(store, roll)),
  (store, id, roll) => store.updateThread(id, { pinned: roll.below(2) === 0 }),
  (store, id, roll) => store.forkThread(id, someMessage(store, roll), { branches: roll.below(2) === 0 }),
  (store) => store.undo(),
];

test("three tabs at once agree with the database in the end, 60 times", async () => {
  const byIdOf = (records) => [...records].sort((one, other) => (one.id < other.id ? -1 : 1));
  for (let seed = 1; seed <= 60; seed += 1) {
    const roll = dice(seed);
    const browser = new Browser({ database: seed % 2 ? new SlowDatabase(() => roll.below(5)) : undefined });
    const stores = [];
    for (let tab = 0; tab < 3; tab += 1) stores.push((await browser.tab()).store);
    const { id } = await stores[0].createThread({ title: "common" });
    await settle(40);
    await Promise.all(stores.map((store) => store.openThread(id)));
    for (let round = 0; round < 12; round += 1) {
      await Promise.all(stores.map((store) => roll.pick(DEEDS)(store, id, roll)));
      if (roll.below(3) === 0) await settle(roll.below(4));
    }
    await settle(80);
    const kept = byIdOf((await browser.database.all("messages")).filter(({ threadId }) => threadId === id));
    const threads = byIdOf(await browser.database.all("threads"));
    for (const store of stores) {
      assert.deepEqual(byIdOf(store.messages.value.values()), kept, `messages of seed ${seed}`);
      assert.deepEqual(byIdOf(store.threads.value), threads, `threads of seed ${seed}`);
      assert.equal(store.tree.value.subtree(null).length - 1, kept.length, "all within reach");
      const path = store.path.value;
      assert.equal(path.length > 0, kept.length > 0);
      path.forEach((message, at) => assert.equal(store.tree.value.parentOf(message), path[at - 1]?.id ?? null));
    }
  }
});
