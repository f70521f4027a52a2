// Tells a screen reader how the answer of the open conversation goes: at its beginning, every ten seconds, at its end.

import { effect } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { activeRuns } from "../run/active.mjs";
import { say, warn } from "./notices.mjs";
import { countWords } from "./words.mjs";

const PERIOD = 10_000; // milliseconds
const ENDS = { done: "status.complete", canceled: "status.stopped" };

// Returns a function that stops it.
export function announce() {
  const known = new Map();
  const stop = effect(() => {
    const runs = activeRuns.value;
    for (const run of runs.values()) if (!known.has(run)) known.set(run, follow(run));
    for (const run of known.keys()) if (!runs.has(run.id)) known.delete(run);
  });
  return () => {
    stop();
    for (const end of known.values()) end();
  };
}

function follow(run) {
  say(t("status.generating"));
  const timer = setInterval(() => say(t("status.still", words(run))), PERIOD);
  const unwatch = effect(() => {
    const state = run.state.value;
    if (state === "error") warn(`${t("status.failed")}. ${run.error.peek()?.message ?? ""}`);
    else if (ENDS[state]) say(t(ENDS[state], words(run)));
    if (state === "error" || ENDS[state]) clearInterval(timer);
  });
  return () => {
    clearInterval(timer);
    unwatch();
  };
}

function words(run) {
  return { count: countWords(run.text.peek()) };
}
