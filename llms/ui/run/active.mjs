// The answers that this tab is writing: a signal of a Map from the id of the message to its Run (see run.mjs). An entry
// is there until the message as kept in the thread says all that the run says.

import { signal } from "../view.mjs";

export const activeRuns = signal(new Map());

export function addRun(run) {
  activeRuns.value = new Map(activeRuns.peek()).set(run.id, run);
}

export function dropRun(run) {
  if (activeRuns.peek().get(run.id) !== run) return;
  const next = new Map(activeRuns.peek());
  next.delete(run.id);
  activeRuns.value = next;
}
