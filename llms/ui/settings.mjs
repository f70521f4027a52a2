// What a person chose, kept in localStorage and the same in all tabs. Each field is a signal that may be read and set:
//
//   settings.stream.value = false
//
// A value that a field does not allow (also one found in the storage) counts as the default. theme.js reads the same
// object before the first paint.

import { batch, effect, signal } from "./view.mjs";

// The parameters of a request that a person may set, each with its bounds. What is not set is not sent: the model's own
// default counts.

const LONGEST_STOP = 4;

// kind: number, integer, choice or texts. step is for controls.
export const PARAMETERS = [
  { name: "temperature", kind: "number", min: 0, max: 2, step: 0.05 },
  { name: "top_p", kind: "number", min: 0, max: 1, step: 0.01 },
  { name: "max_tokens", kind: "integer", min: 1, max: 1_000_000, step: 1 },
  { name: "reasoning_effort", kind: "choice", values: ["none", "minimal", "low", "medium", "high", "xhigh"] },
  { name: "seed", kind: "integer", min: 0, max: 2_147_483_647, step: 1 },
  { name: "stop", kind: "texts", most: LONGEST_STOP },
  { name: "frequency_penalty", kind: "number", min: -2, max: 2, step: 0.05 },
  { name: "presence_penalty", kind: "number", min: -2, max: 2, step: 0.05 },
  { name: "top_k", kind: "integer", min: 0, max: 1000, step: 1 },
  { name: "min_p", kind: "number", min: 0, max: 1, step: 0.01 },
  { name: "repeat_penalty", kind: "number", min: 0, max: 2, step: 0.05 },
];

const BY_NAME = new Map(PARAMETERS.map((parameter) => [parameter.name, parameter]));

const FITS = {
  number: (value, { min, max }) => typeof value === "number" && value >= min && value <= max,
  integer: (value, { min, max }) => Number.isInteger(value) && value >= min && value <= max,
  choice: (value, { values }) => values.includes(value),
  texts: (value, { most }) => Array.isArray(value) && value.length > 0 && value.length <= most && value.every(isText),
};

// Tells whether a value may be sent under a name.
export function isValidParameter(name, value) {
  const parameter = BY_NAME.get(name);
  return parameter !== undefined && FITS[parameter.kind](value, parameter);
}

// The valid ones among what is given, which may be anything.
export function validParameters(given) {
  if (typeof given !== "object" || given === null) return {};
  return Object.fromEntries(Object.entries(given).filter(([name, value]) => isValidParameter(name, value)));
}

function isText(value) {
  return typeof value === "string" && value.length > 0;
}

export const STORAGE_KEY = "llms.settings";

const LONGEST_TEXT = 100_000;

const bool = (initial) => ({ initial, isValid: (value) => typeof value === "boolean" });
const choice = (...values) => ({ initial: values[0], values, isValid: (value) => values.includes(value) });
const text = (initial) => ({ initial, isValid: (value) => typeof value === "string" && value.length <= LONGEST_TEXT });
const optionalText = { initial: null, isValid: (value) => value === null || text("").isValid(value) };
const time = { initial: null, isValid: (value) => value === null || Number.isFinite(value) };
const names = { initial: [], isValid: (value) => Array.isArray(value) && value.every((each) => typeof each === "string") };
const parameters = { initial: {}, isValid: (value) => JSON.stringify(validParameters(value)) === JSON.stringify(value) };

// What the server's owner says of streaming (`ui.streaming`): resumable, plain (no stream is taken up again) or off.
export const STREAMING = globalThis.document?.querySelector?.("meta[name=streaming]")?.content ?? "resumable";

// The first of several choices is the default.
export const FIELDS = {
  stream: bool(STREAMING !== "off"), // tokens as they come
  theme: choice("system", "light", "dark"),
  accent: choice("iris", "ocean", "teal", "forest", "amber", "rose", "plum", "graphite"),
  width: choice("normal", "narrow", "wide", "full"),
  size: choice("normal", "small", "large", "larger"),
  density: choice("normal", "compact"),
  motion: choice("system", "reduced"),
  language: choice("auto", "en", "de", "ar"),
  sendOnEnter: bool(true), // else Ctrl or Cmd with Enter
  shortcuts: bool(true),
  showReasoning: bool(false), // thoughts open, not behind one line
  showStatistics: bool(true), // the line with speed and tokens below an answer
  wrapCode: bool(false),
  sidebar: bool(true),
  model: optionalText, // for new threads; null: the first one that chats
  systemPrompt: text(""),
  parameters,
  favourites: names, // ids of models
  lastExport: time,
};

export const BOOLEAN_FIELDS = Object.keys(FIELDS).filter((name) => typeof FIELDS[name].initial === "boolean");

const LOOK = ["theme", "accent", "width", "size", "density", "motion"];

// A signal for each field. storage: localStorage or its like, null where there is none.
export function createSettings({ storage = browserStorage(), events = globalThis } = {}) {
  const settings = Object.fromEntries(Object.keys(FIELDS).map((name) => [name, signal(FIELDS[name].initial)]));
  let kept = "{}";
  const take = (json) => {
    const given = parsed(json);
    const values = Object.entries(FIELDS).map(([name, field]) => [name, valid(field, given[name])]);
    kept = JSON.stringify(chosen(Object.fromEntries(values)));
    batch(() => values.forEach(([name, value]) => set(settings[name], value)));
  };
  take(read(storage));
  effect(() => {
    const values = Object.entries(FIELDS).map(([name, field]) => [name, valid(field, settings[name].value)]);
    const json = JSON.stringify(chosen(Object.fromEntries(values)));
    if (json === kept) return;
    kept = json;
    write(storage, json);
  });
  events.addEventListener?.("storage", ({ key, newValue }) => key === STORAGE_KEY && take(newValue));
  return settings;
}

// Puts every field back to its default.
export function resetSettings(settings) {
  batch(() => Object.entries(FIELDS).forEach(([name, { initial }]) => (settings[name].value = initial)));
}

// Shows the chosen look on <html>, now and whenever it changes; returns a function that stops that.
export function applyLook(settings, root = document.documentElement) {
  return effect(() => {
    for (const name of LOOK) {
      const { value } = settings[name];
      if (value === FIELDS[name].initial) delete root.dataset[name];
      else root.dataset[name] = value;
    }
  });
}

export const settings = createSettings();

// What differs from the defaults; only that is stored.
function chosen(values) {
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(FIELDS[name].initial)));
}

function valid(field, value) {
  return value !== undefined && field.isValid(value) ? value : field.initial;
}

function set(field, value) {
  if (JSON.stringify(field.peek()) !== JSON.stringify(value)) field.value = value;
}

function parsed(json) {
  try {
    const value = JSON.parse(json ?? "{}");
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}

function browserStorage() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null; // storage is switched off
  }
}

function read(storage) {
  try {
    return storage?.getItem(STORAGE_KEY) ?? null;
  } catch {
    return null;
  }
}

function write(storage, json) {
  try {
    storage?.setItem(STORAGE_KEY, json);
  } catch {
    // Full or switched off: the choice holds until the page is left.
  }
}
