// Settings: kept, checked, the same in all tabs.

import "./vendored.mjs";

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const { BOOLEAN_FIELDS, FIELDS, STORAGE_KEY, applyLook, createSettings, resetSettings } = await import("../../llms/ui/settings.mjs");
const { PARAMETERS, validParameters } = await import("../../llms/ui/settings.mjs");

// localStorage of one origin; each page hears what the others write.
class Storage {
  #values = new Map();
  #pages = new Set();

  page() {
    const events = new EventTarget();
    this.#pages.add(events);
    const setItem = (key, newValue) => {
      this.#values.set(key, newValue);
      for (const other of this.#pages) if (other !== events) other.dispatchEvent(Object.assign(new Event("storage"), { key, newValue }));
    };
    return { events, storage: { getItem: (key) => this.#values.get(key) ?? null, setItem } };
  }

  get json() {
    return this.#values.get(STORAGE_KEY);
  }
}

const opened = (json) => {
  const storage = new Storage();
  const page = storage.page();
  if (json !== undefined) page.storage.setItem(STORAGE_KEY, json);
  return { storage, settings: createSettings(page) };
};

test("streaming is on until somebody turns it off", () => {
  const { storage, settings } = opened();
  assert.equal(settings.stream.value, true);
  assert.ok(BOOLEAN_FIELDS.includes("stream"));
  settings.stream.value = false;
  assert.equal(storage.json, '{"stream":false}');
  assert.equal(createSettings(storage.page()).stream.value, false);
});

test("what is the default is not stored", () => {
  const { storage, settings } = opened();
  settings.theme.value = "dark";
  settings.theme.value = "system";
  assert.equal(storage.json, "{}");
});

test("another tab follows at once, and writes nothing itself", () => {
  const storage = new Storage();
  const [one, two] = [createSettings(storage.page()), createSettings(storage.page())];
  one.accent.value = "rose";
  one.favourites.value = ["a/b"];
  assert.equal(two.accent.value, "rose");
  assert.deepEqual(two.favourites.value, ["a/b"]);
  two.accent.value = "iris";
  assert.equal(one.accent.value, "iris");
  assert.deepEqual(one.favourites.value, ["a/b"]);
});

test("a tab takes over what it knows and leaves the rest to the newer version that wrote it", () => {
  const storage = new Storage();
  const old = createSettings(storage.page());
  const json = '{"theme":"dark","invented":1}';
  storage.page().storage.setItem(STORAGE_KEY, json);
  assert.equal(old.theme.value, "dark");
  assert.equal(storage.json, json);
});

for (const [what, json] of Object.entries({
  "no JSON": "{",
  "no object": "[1]",
  null: "null",
  "wrong types": '{"stream":"yes","theme":"pink","parameters":{"temperature":9},"favourites":[1],"model":7}',
})) {
  test(`a storage with ${what} counts as the defaults`, () => {
    const { settings } = opened(json);
    for (const [name, field] of Object.entries(FIELDS)) assert.deepEqual(settings[name].value, field.initial, name);
  });
}

test("an invalid value is never stored", () => {
  const { storage, settings } = opened();
  settings.theme.value = "pink";
  assert.ok(!(storage.json ?? "").includes("pink"));
});

test("a browser that stores nothing works all the same", () => {
  const deny = () => {
    throw new DOMException("no", "SecurityError");
  };
  for (const storage of [null, { getItem: deny, setItem: deny }]) {
    const settings = createSettings({ storage, events: new EventTarget() });
    settings.stream.value = false;
    assert.equal(settings.stream.value, false);
  }
});

test("a reset brings back every default", () => {
  const { storage, settings } = opened('{"stream":false,"theme":"dark","systemPrompt":"x"}');
  resetSettings(settings);
  assert.equal(storage.json, "{}");
});

test("the look is shown on the root element, as theme.js shows it before the first paint", () => {
  const { settings } = opened('{"theme":"dark","size":"large"}');
  const root = { dataset: {} };
  const stop = applyLook(settings, root);
  assert.deepEqual(root.dataset, { theme: "dark", size: "large" });
  settings.theme.value = "system";
  settings.accent.value = "teal";
  assert.deepEqual(root.dataset, { size: "large", accent: "teal" });
  stop();
  const early = readFileSync(new URL("../../llms/ui/theme.js", import.meta.url), "utf8");
  assert.ok(early.includes(`"${STORAGE_KEY}"`));
  for (const name of ["theme", "accent", "density", "width", "size", "motion"]) {
    const [, listed] = new RegExp(`^    ${name}: (\\[.*\\]),$`, "m").exec(early);
    assert.deepEqual(JSON.parse(listed), FIELDS[name].values.slice(1), name);
  }
});

test("parameters are sent within their bounds only", () => {
  assert.deepEqual(validParameters({ temperature: 0, top_p: 1.1, max_tokens: 1.5, seed: 4, stop: ["a"], reasoning_effort: "high", tools: [] }), {
    temperature: 0,
    seed: 4,
    stop: ["a"],
    reasoning_effort: "high",
  });
  assert.deepEqual(validParameters({ stop: [], temperature: "1", top_k: NaN, min_p: Infinity }), {});
  for (const given of [null, 1, "x", undefined]) assert.deepEqual(validParameters(given), {});
  for (const { name, min, max } of PARAMETERS.filter(({ kind }) => kind === "number" || kind === "integer")) {
    assert.deepEqual(validParameters({ [name]: min }), { [name]: min });
    assert.deepEqual(validParameters({ [name]: max }), { [name]: max });
    assert.deepEqual(validParameters({ [name]: max + 1 }), {});
  }
});
