// A rendered text without a browser: frames come when the test says so.

import "./vendored.mjs";

import { document, write } from "./dom.mjs";

export const { MarkdownView } = await import("../../llms/ui/markdown/render.mjs");
const { Highlighter } = await import("../../llms/ui/markdown/highlight.mjs");
const { Mathematics } = await import("../../llms/ui/markdown/math.mjs");

const highlight = await import("../../llms/ui/vendor/highlight.mjs");
const temml = await import("../../llms/ui/vendor/temml.mjs");

// What is loaded on demand, loaded: then code and formulas are drawn at once.
export async function loaded() {
  const highlighter = new Highlighter(() => Promise.resolve(highlight), null);
  const mathematics = new Mathematics(() => Promise.resolve(temml));
  const { view } = stage({ highlighter, mathematics });
  view.set("```js\n1\n```\n\n$$x$$\n");
  await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  return { highlighter, mathematics };
}

export const PLAIN = { highlighter: { watch() {}, forget() {} }, mathematics: { render() {} } };

// A view in an element; `frame` lets one frame come, `wait` lets time pass.
export function stage(options = PLAIN) {
  const element = document.createElement("div");
  const clock = { now: 0, frame: null, timers: [], seen: null, cost: 0 };
  const page = {
    now: () => clock.now,
    requestFrame: (call) => (clock.frame = call),
    cancelFrame: () => (clock.frame = null),
    setTimeout: (call, milliseconds) => clock.timers.push({ call, at: clock.now + milliseconds }),
    clearTimeout: () => (clock.timers = []),
    onSeen: (call) => {
      clock.seen = call;
      return () => (clock.seen = null);
    },
  };
  const view = new MarkdownView(element, { page, ...options });
  const frame = () => {
    const call = clock.frame;
    clock.frame = null;
    call?.();
  };
  const wait = (milliseconds) => {
    clock.now += milliseconds;
    const due = clock.timers.filter(({ at }) => at <= clock.now);
    clock.timers = clock.timers.filter(({ at }) => at > clock.now);
    for (const { call } of due) call();
  };
  return { view, element, frame, wait, clock, html: () => element.childNodes.map(write).join("") };
}

export function once(text, options = PLAIN) {
  const { view, html } = stage(options);
  view.set(text);
  return html();
}
