// The shell's own reckoning: keys, addresses, what fits a few letters, what usage comes to.

import assert from "node:assert/strict";
import { test } from "node:test";

import { matched } from "../../llms/ui/components/matching.mjs";
import { hrefOf, placeOf } from "../../llms/ui/components/places.mjs";
import { SHORTCUTS, namesOf, shortcutOf } from "../../llms/ui/components/shortcuts.mjs";
import { RANGES, columnsOf, costOf, queryOf } from "../../llms/ui/components/usage/figures.mjs";

const key = (name, fields = {}) => ({ key: name, code: "", ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...fields });

test("a shortcut is known by what its keys write, in every layout", () => {
  const ctrl = { ctrlKey: true };
  const cases = [
    [key("k", ctrl), false, "palette"],
    [key("K", { ctrlKey: true, shiftKey: true }), false, "search"],
    [key("k", { metaKey: true }), true, "palette"],
    [key("k", ctrl), true, null],
    [key("ل", { ...ctrl, code: "KeyK" }), false, "palette"],
    [key("t", { ...ctrl, code: "KeyK" }), false, null],
    [key("/", ctrl), false, "help"],
    [key("/", { ...ctrl, shiftKey: true }), false, "help"],
    [key("k", { ctrlKey: true, altKey: true }), false, null],
    [key("ArrowUp", { altKey: true }), false, "previousChat"],
    [key("Escape", { shiftKey: true }), false, "focus"],
    [key("Escape"), false, null],
    [key("Enter"), false, null],
    [key("k", { ...ctrl, isComposing: true }), false, null],
    [key("k", { ...ctrl, defaultPrevented: true }), false, null],
  ];
  for (const [event, mac, name] of cases) assert.equal(shortcutOf(event, mac), name, `${event.key} ${mac}`);
});

test("no two shortcuts share their keys, and each is written as the machine writes it", () => {
  assert.equal(new Set(SHORTCUTS.map(({ keys }) => keys)).size, SHORTCUTS.length);
  assert.deepEqual(namesOf("Mod+Shift+O", false), ["Ctrl", "Shift", "O"]);
  assert.deepEqual(namesOf("Mod+Shift+O", true), ["⌘", "⇧", "O"]);
  assert.deepEqual(namesOf("Alt+ArrowUp", false), ["Alt", "↑"]);
});

test("an address leads back to where it was made", () => {
  for (const [thread, message] of [["a", null], ["a", "b"], ["ü/ ?", "x y"], [null, null]]) {
    assert.deepEqual(placeOf(hrefOf(thread, message)), { page: "chat", threadId: thread, messageId: message });
  }
  assert.equal(placeOf("#/usage").page, "usage");
  for (const hash of ["", "#", "#/nowhere", "#/chat/", "#/chat/%E0", "#sign-in=x"]) {
    assert.deepEqual(placeOf(hash), { page: "chat", threadId: null, messageId: null }, hash);
  }
});

test("names that fit best stand first", () => {
  const items = ["Choose a model", "Model", "Remodel", "New chat", "Über uns"].map((label) => ({ label }));
  const found = (query) => matched(items, query).map(({ label }) => label);
  assert.deepEqual(found("model"), ["Model", "Choose a model", "Remodel"]);
  assert.deepEqual(found("nc"), ["New chat"]);
  assert.deepEqual(found("uber"), ["Über uns"]);
  assert.deepEqual(found("a choose"), ["Choose a model"]);
  assert.deepEqual(found("xyz"), []);
  assert.deepEqual(matched(items, "chat")[0].marks, [[4, 8]]);
  assert.deepEqual(matched([{ label: "Settings", words: "temperature" }], "temper").map(({ rank }) => rank), [4]);
  assert.equal(matched(items, ""), items);
});

test("a range of usage ends with a whole step after now", () => {
  const now = new Date(2026, 10, 20, 13, 37).getTime();
  const midnight = new Date(2026, 10, 20).getTime() / 1000;
  for (const range of RANGES) {
    const { from, to, step } = queryOf(range, "model", now);
    assert.equal(to - from, range.seconds);
    assert.ok(to * 1000 > now && to * 1000 - now <= step * 1000, range.name);
    assert.equal((to - midnight) % step, 0);
    assert.ok((to - from) / step <= 60);
  }
});

test("steps in which nothing was are 0 in sums and nothing in measures", () => {
  const series = [{ time: 110, requests: 2, ttft: 0.5 }, { time: 130, requests: 3, ttft: null }];
  const columns = columnsOf({ from: 100, to: 140, step: 10, series }, ["requests"], ["ttft"]);
  assert.deepEqual(columns, { times: [100, 110, 120, 130], requests: [0, 2, 0, 3], ttft: [null, 0.5, null, null] });
});

test("a cost that nobody knows is not 0", () => {
  assert.equal(costOf({ cost: 0 }), 0);
  assert.equal(costOf({ cost: null }), null);
  assert.equal(costOf({}), null);
});
