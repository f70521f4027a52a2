// An answer that another device is having written, followed live; nothing of it is kept here.

import { html, useEffect, useState } from "../view.mjs";
import { noteSignIn } from "../api/http.mjs";
import { t } from "../i18n/t.mjs";
import { nothingOf } from "../run/checkpoint.mjs";
import { Run } from "../run/run.mjs";
import { AnswerBody } from "./AnswerBody.mjs";
import { ErrorCard } from "./ErrorCard.mjs";
import { LiveState } from "./MessageAssistant.mjs";
import { withSheet } from "./lazy.mjs";
import { place } from "./places.mjs";
import { countWords } from "./words.mjs";

await withSheet("message");

export function StreamPage() {
  const { streamId } = place.value;
  const run = useFollowed(streamId);
  if (!run) return null;
  const error = run.error.value;
  return html`<div class="page" id="conversation" tabindex="-1">
    <div class="column">
      <article class="turn assistant-message" aria-label=${t("stream.title")} aria-busy=${run.isActive}>
        <${AnswerBody} message=${{ id: streamId, parts: [] }} run=${run} />
        <${LiveState} run=${run} model=${null} />
        ${error && html`<${ErrorCard} error=${error} kept=${countWords(run.text.value)} actions=${[]} />`}
        ${run.state.value === "done" && html`<p class="status-line">${t("stream.complete")}</p>`}
      </article>
    </div>
  </div>`;
}

// The answer from its first event on, for as long as this page is shown. To leave it ends nothing.
function useFollowed(streamId) {
  const [run, setRun] = useState(null);
  useEffect(() => {
    const made = new Run({ id: streamId, model: null, kept: nothingOf(streamId) });
    setRun(made);
    made.start().then(() => made.error.peek() && noteSignIn(made.error.peek()));
    return () => made.leave();
  }, [streamId]);
  return run;
}
