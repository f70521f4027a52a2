// Small parts of the store: ids, checksums, titles, groups, changes, room.

import "./vendored.mjs";

import assert from "node:assert/strict";
import { createHash, webcrypto } from "node:crypto";
import test from "node:test";

import { dice } from "./stage.mjs";

const { newId } = await import("../../llms/ui/store/ids.mjs");
const { sha256 } = await import("../../llms/ui/store/sha256.mjs");
const { newMessage, partsOf, textOf, titleOf, withMarks, withText } = await import("../../llms/ui/store/message.mjs");
const { MemoryDatabase } = await import("../../llms/ui/store/memory.mjs");
const { byAge, inOrder } = await import("../../llms/ui/store/order.mjs");
const { base64, dataUrl, fromBase64 } = await import("../../llms/ui/store/blobs.mjs");
const { isExportDue, keepForGood, room } = await import("../../llms/ui/store/quota.mjs");

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("ids are random UUIDs, in a secure context and outside", () => {
  const outside = { getRandomValues: (bytes) => webcrypto.getRandomValues(bytes) };
  for (const source of [webcrypto, outside]) {
    assert.match(newId(source), UUID);
    assert.notEqual(newId(source), newId(source));
  }
});

test("the own SHA-256 is that of everybody", async () => {
  const roll = dice(7);
  for (const size of [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 70_000]) {
    const bytes = Uint8Array.from({ length: size }, () => roll.below(256));
    const expected = createHash("sha256").update(bytes).digest("hex");
    assert.equal(await sha256(bytes, {}), expected, `${size} bytes`);
    assert.equal(await sha256(bytes), expected);
    assert.equal(await sha256(bytes.buffer, {}), expected);
  }
});

test("bytes survive base64", () => {
  const roll = dice(3);
  const bytes = Uint8Array.from({ length: 100_001 }, () => roll.below(256));
  assert.deepEqual(new Uint8Array(fromBase64(base64(bytes))), bytes);
  assert.equal(dataUrl({ type: "image/png", bytes: new Uint8Array([1, 2, 3]).buffer }), "data:image/png;base64,AQID");
});

test("a title is the first line that says something, at a word's end", () => {
  assert.equal(titleOf(partsOf("\n\n## Plan for *Monday*\nmore")), "Plan for *Monday*");
  assert.equal(titleOf(partsOf("word ".repeat(30))), `${"word ".repeat(11)}word…`);
  assert.equal(titleOf([{ type: "image", name: "cat.png" }]), "cat.png");
  assert.equal(titleOf([]), "");
  assert.ok(titleOf(partsOf("x".repeat(500))).length <= 61);
});

test("another text takes the place of the first one", () => {
  const image = { type: "image", blob: "b" };
  assert.deepEqual(withText([image, { type: "text", text: "a" }, { type: "text", text: "b" }], "c"), [image, { type: "text", text: "c" }]);
  assert.deepEqual(withText([{ type: "text", text: "a" }, image], "c"), [{ type: "text", text: "c" }, image]);
  assert.deepEqual(withText([image], "c"), [image, { type: "text", text: "c" }]);
  assert.deepEqual(withText([{ type: "text", text: "a" }], ""), []);
});

test("a message is marked while it is written, and by the blobs in it", () => {
  const message = newMessage({ id: "m", threadId: "t", role: "assistant", status: "thinking", createdAt: 1, parts: [{ type: "image", blob: "b" }, { type: "file", blob: "b" }] });
  assert.equal(message.active, 1);
  assert.deepEqual(message.blobs, ["b"]);
  const done = withMarks({ ...message, status: "done", parts: partsOf("x") });
  assert.ok(!("active" in done) && !("blobs" in done));
  assert.equal(textOf(done), "x");
});

test("changes are done together, in order, and tell what they did", async () => {
  const database = new MemoryDatabase();
  const [first] = await database.change([{ store: "folders", put: { id: "a", name: "one" } }]);
  assert.deepEqual(first, { store: "folders", id: "a", before: null, after: { id: "a", name: "one", rev: 1 } });
  const results = await database.change([
    { store: "folders", id: "a", edit: (folder) => ({ ...folder, name: "two" }) },
    { store: "folders", id: "a", edit: (folder) => ({ ...folder, name: `${folder.name}!` }) },
    { store: "folders", id: "missing", edit: () => undefined },
    { store: "folders", delete: "missing" },
  ]);
  assert.deepEqual(results.map(({ after }) => after.name), ["two", "two!"]);
  assert.deepEqual(await database.get("folders", "a"), { id: "a", name: "two!", rev: 3 });
  await assert.rejects(
    database.change([
      { store: "folders", delete: "a" },
      { store: "folders", id: "b", edit: () => assert.fail("broken") },
    ]),
  );
  assert.equal((await database.all("folders")).length, 1);
});

test("groups by age follow the calendar, pinned ones come first", () => {
  const now = new Date(2026, 5, 15, 10).getTime();
  const at = (...date) => new Date(2026, ...date).getTime();
  const times = { today: at(5, 15, 0), yesterday: at(5, 14, 23), week: at(5, 9), month: at(4, 20), spring: at(2, 3), pinned: at(0, 1) };
  const threads = Object.entries(times).map(([id, updatedAt]) => ({ id, updatedAt, pinned: id === "pinned" }));
  assert.deepEqual(
    byAge(threads, now).map(({ key, threads: members }) => [key, members.map(({ id }) => id)]),
    [["pinned", ["pinned"]], ["today", ["today"]], ["yesterday", ["yesterday"]], ["week", ["week"]], ["month", ["month"]], ["2026-03", ["spring"]]],
  );
  assert.equal(inOrder(threads)[0].id, "pinned");
});

test("room is told where the browser tells it", async () => {
  const storage = { estimate: async () => ({ usage: 5, quota: 10 }), persisted: async () => true };
  assert.deepEqual(await room(storage), { usage: 5, quota: 10, isPersisted: true });
  assert.deepEqual(await room(undefined), { usage: null, quota: null, isPersisted: false });
  assert.deepEqual(await room({}), { usage: null, quota: null, isPersisted: false });
});

test("the browser is asked to keep everything, unless it does", async () => {
  let asked = 0;
  const storage = (persisted) => ({ persisted: async () => persisted, persist: async () => ((asked += 1), true) });
  assert.equal(await keepForGood(storage(true)), true);
  assert.equal(asked, 0);
  assert.equal(await keepForGood(storage(false)), true);
  assert.equal(asked, 1);
  assert.equal(await keepForGood(undefined), false);
});

test("an export is due after a week in which nothing is safe", () => {
  const [now, day] = [1e12, 86_400_000];
  const base = { isPersisted: false, threads: 3, oldest: now - 30 * day, lastExport: null, now };
  assert.equal(isExportDue(base), true);
  assert.equal(isExportDue({ ...base, isPersisted: true }), false);
  assert.equal(isExportDue({ ...base, lastExport: now - 2 * day }), false);
  assert.equal(isExportDue({ ...base, oldest: now - day }), false);
  assert.equal(isExportDue({ ...base, threads: 0 }), false);
});
