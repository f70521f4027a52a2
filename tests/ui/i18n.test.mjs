// Every language says everything, in every plural that it has, about the same things.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { ago, bytes, compact, duration, money, moment, percent } from "../../llms/ui/i18n/format.mjs";
import { chosen, direction, language, LANGUAGES, speak, t, translator } from "../../llms/ui/i18n/t.mjs";

const UI = new URL("../../llms/ui/", import.meta.url);
const messages = Object.fromEntries(
  await Promise.all(Object.keys(LANGUAGES).map(async (tag) => [tag, (await import(`${UI}i18n/${tag}.mjs`)).default])),
);
const forms = (message) => (typeof message === "string" ? [message] : Object.values(message));
const names = (message) =>
  new Set(forms(message).flatMap((text) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1])));

for (const [tag, own] of Object.entries(messages)) {
  test(`${tag} has the keys of English`, () => {
    assert.deepEqual(Object.keys(own).toSorted(), Object.keys(messages.en).toSorted());
  });

  test(`${tag} fills in what English fills in, and has all its plurals`, () => {
    const categories = new Intl.PluralRules(tag).resolvedOptions().pluralCategories.toSorted();
    for (const [key, message] of Object.entries(own)) {
      assert.equal(typeof message, typeof messages.en[key], key);
      assert.ok(forms(message).every((text) => text.trim()), `${key} is empty`);
      assert.deepEqual([...names(message)].toSorted(), [...names(messages.en[key])].toSorted(), key);
      if (typeof message !== "string") assert.deepEqual(Object.keys(message).toSorted(), categories, key);
    }
  });
}

test("the script before the first paint knows the same languages", () => {
  const known = Object.keys(LANGUAGES).map((tag) => `${tag}: "${direction(tag)}"`);
  assert.ok(readFileSync(new URL("theme.js", UI), "utf8").includes(`{ ${known.join(", ")} }`));
});

test("every key that a module names exists", () => {
  const sources = readdirSync(UI, { recursive: true }).filter((path) => path.endsWith(".mjs") && !/^(vendor|i18n)\//.test(path));
  for (const path of sources) {
    for (const [, key] of readFileSync(new URL(path, UI), "utf8").matchAll(/\bt\(\s*["'`]([\w.]+)["'`]/g)) {
      assert.ok(key in messages.en, `${path}: ${key}`);
    }
  }
});

test("every key is named by a module, whole or by how it begins", () => {
  const modules = readdirSync(UI, { recursive: true }).filter((path) => path.endsWith(".mjs") && !/^vendor\/|^i18n\/..\.mjs/.test(path));
  const source = modules.map((path) => readFileSync(new URL(path, UI), "utf8")).join("\n");
  const begun = [...source.matchAll(/`([a-z]\w*\.\w*)\$\{|"(settings\.\w+)"/g)].map(([, ...found]) => found.find(Boolean));
  const isNamed = (key) => source.includes(`"${key}"`) || begun.some((beginning) => key !== beginning && key.startsWith(beginning));
  assert.deepEqual(Object.keys(messages.en).filter((key) => !isNamed(key)), []);
});

test("values are filled in, numbers in the manner of the language, what is not given stays visible", () => {
  const german = translator("de", messages.de);
  assert.equal(german("error.kept", { count: 1234 }), "Die 1.234 Wörter oben bleiben erhalten.");
  assert.equal(german("error.kept", { count: 1 }), "Das 1 Wort oben bleibt erhalten.");
  assert.equal(german("composer.placeholder", { model: "a {model} $& b" }), "Nachricht an a {model} $& b");
  assert.equal(german("composer.placeholder"), "Nachricht an {model}");
});

test("what is filled into a sentence that runs from right to left keeps its own direction", () => {
  const arabic = translator("ar", messages.ar);
  assert.equal(arabic("model.gone", { model: "gpt-5 (mini)" }), "لم يعد \u2068gpt-5 (mini)\u2069 متاحًا");
  assert.equal(arabic("error.kept", { count: 2 }), "حُفظت الكلمتان أعلاه.");
  assert.match(arabic("error.kept", { count: 7 }), /الكلمات الـ/);
});

test("a missing sentence is answered in English, an unknown key by itself", () => {
  const poor = translator("de", {});
  assert.equal(poor("action.copy"), "Copy");
  assert.equal(poor("no.such.key"), "no.such.key");
});

test("the language follows the setting, then the browser, then is English", () => {
  assert.equal(chosen("ar", ["de"]), "ar");
  assert.equal(chosen("auto", ["fr-CA", "de-AT", "en"]), "de");
  assert.equal(chosen(undefined, ["fr"]), "en");
  assert.equal(chosen("xx", []), "en");
});

test("speaking another language changes the page's language and direction", async () => {
  const root = {};
  await speak("ar", root);
  assert.deepEqual([root.lang, root.dir, t("action.copy"), language()], ["ar", "rtl", "نسخ", "ar"]);
  await speak("tlh", root);
  assert.deepEqual([root.lang, root.dir, t("action.copy")], ["en", "ltr", "Copy"]);
  assert.equal(direction("de"), "ltr");
});

test("quantities are short and rounded where it reads well", async () => {
  await speak("en", null);
  const plain = (text) => text.replaceAll(/[\u00a0\u202f]/g, " ");
  const cases = [
    [duration(0), "0 ms"],
    [duration(0.3104), "310 ms"],
    [duration(0.9996), "1 sec"],
    [duration(4.25), "4.3 sec"],
    [duration(59.6), "1 min"],
    [duration(125), "2 min 5 sec"],
    [bytes(0), "0 byte"],
    [bytes(999), "999 byte"],
    [bytes(4_920_000_000), "4.9 GB"],
    [compact(1234), "1.2K"],
    [percent(0.421), "42%"],
    [money(0), "$0.00"],
    [money(0.000412), "$0.00041"],
    [money(4.182), "$4.18"],
    [ago(1_000_000, 1_000_000 + 3 * 86_400_000), "3 days ago"],
    [ago(1_000_000, 1_000_400), "now"],
  ];
  for (const [found, wanted] of cases) assert.equal(plain(found), wanted);
  assert.match(moment(0), /19(69|70)/);
});
