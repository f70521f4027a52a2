// What is going on while no text has come: sent, waiting for a provider, in a queue, loading a model.

import { html } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { duration, percent } from "../i18n/format.mjs";
import { useElapsed } from "./elapsed.mjs";

// run: see run/run.mjs; model: {name, provider}.
export function TypingState({ run, model }) {
  const waiting = run.waiting.value;
  const elapsed = useElapsed(run.startedAt);
  const provider = run.provider.value ?? waiting?.provider ?? model.provider ?? model.name;
  return html`<p class="status-line" data-state=${waiting?.name ?? run.state.value}>
    <span class="shimmer numeric">${saying(waiting, { elapsed, provider, model: model.name })}</span>
  </p>`;
}

function saying(waiting, { elapsed, provider, model }) {
  if (waiting?.name === "queued" && waiting.position) return t("run.queued", { count: waiting.position });
  if (waiting?.name === "loading") return loading(model, waiting.percent);
  if (waiting?.name === "retrying") return t("run.retrying", { attempt: waiting.attempt, tries: waiting.tries });
  if (elapsed < 1) return t("run.sending");
  return t("run.waitingFor", { provider, elapsed: duration(Math.floor(elapsed)) });
}

function loading(model, share) {
  return typeof share === "number" ? t("run.loadingShare", { model, share: percent(share / 100) }) : t("run.loading", { model });
}
