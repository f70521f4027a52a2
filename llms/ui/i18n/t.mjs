// t("composer.placeholder", { model }): the sentence of a key in the language of the page.
// A sentence is a string, or one string for each plural category of its language, chosen by `count`.

import english from "./en.mjs";

export const LANGUAGES = Object.freeze({ en: "English", de: "Deutsch", ar: "العربية" });

const LOADERS = { de: () => import("./de.mjs"), ar: () => import("./ar.mjs") };
const RIGHT_TO_LEFT = new Set(["ar"]);
const [ISOLATE, END] = ["\u2068", "\u2069"];

let active = translator("en", english);

/** Return the sentence of a key; numbers are written as the language writes them. */
export function t(key, values) {
  return active(key, values);
}

/** Return the tag of the language in use. */
export function language() {
  return active.tag;
}

/** Load a language and use it from the next rendering on; `<html lang dir>` follow. */
export async function speak(tag, root = globalThis.document?.documentElement) {
  const messages = tag in LOADERS ? (await LOADERS[tag]()).default : english;
  active = translator(tag in LOADERS ? tag : "en", messages);
  if (root) {
    root.lang = active.tag;
    root.dir = direction(active.tag);
  }
}

/** Return the language for a setting ("auto" or a tag) and what the browser prefers. */
export function chosen(setting, preferred = globalThis.navigator?.languages ?? []) {
  const wanted = setting && setting !== "auto" ? [setting] : preferred;
  const tags = wanted.map((tag) => tag.toLowerCase().split("-")[0]);
  return tags.find((tag) => tag in LANGUAGES) ?? "en";
}

/** Return "rtl" or "ltr". */
export function direction(tag) {
  return RIGHT_TO_LEFT.has(tag) ? "rtl" : "ltr";
}

/** Return a `t` of one language; a key that it lacks is answered in English, an unknown one by itself. */
export function translator(tag, messages) {
  const plurals = new Intl.PluralRules(tag);
  const numbers = new Intl.NumberFormat(tag);
  const mirrored = direction(tag) === "rtl";

  function translate(key, values = {}) {
    const found = messages[key] ?? english[key] ?? key;
    const sentence = typeof found === "string" ? found : (found[plurals.select(values.count ?? 0)] ?? found.other);
    return sentence.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? written(values[name]) : whole));
  }

  function written(value) {
    if (typeof value === "number") return numbers.format(value);
    return mirrored ? `${ISOLATE}${value}${END}` : String(value);
  }

  return Object.assign(translate, { tag });
}
