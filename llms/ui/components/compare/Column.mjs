// One model's side of a comparison.

import { t } from "../../i18n/t.mjs";
import { activeRuns } from "../../run/active.mjs";
import { textOf } from "../../store/message.mjs";
import { html } from "../../view.mjs";
import { AnswerBody } from "../AnswerBody.mjs";
import { ErrorCard } from "../ErrorCard.mjs";
import { Icon } from "../Icon.mjs";
import { MessageActions } from "../MessageActions.mjs";
import { EndStatus, LiveFooter, MessageFooter } from "../MessageFooter.mjs";
import { TypingState } from "../TypingState.mjs";
import { chooseModel } from "../ModelPicker.mjs";
import { modelNamed } from "../conversation.mjs";
import { LEAST, columns, hasBegun, keep, pathOf, removeColumn, retry, setModel } from "./comparing.mjs";

export function Column({ column }) {
  const { path, failure } = pathOf(column);
  const model = modelNamed(column.model);
  return html`<section class="compare-column" aria-label=${model.name} data-model=${column.model}>
    <${Head} column=${column} model=${model} />
    <div class="compare-turns">
      ${path.map((message) => html`<${Side} key=${message.id} message=${message} run=${activeRuns.value.get(message.id)} />`)}
      ${failure &&
      html`<${ErrorCard}
        error=${{ ...failure.error, model: column.model }}
        at=${failure.at}
        actions=${[{ label: t("action.retry"), icon: "refresh-cw", isMain: true, run: () => retry(column) }]}
      />`}
    </div>
    ${hasBegun.value &&
    html`<button type="button" class="button small wide" disabled=${!isWhole(path)} onClick=${() => keep(column)}>
      <${Icon} name="check" class="small" />${t("compare.keep")}
    </button>`}
  </section>`;
}

function Head({ column, model }) {
  const change = ({ currentTarget }) => chooseModel(currentTarget, { selected: column.model, onChoose: (chosen) => setModel(column.key, chosen) });
  return html`<header class="compare-head">
    <button type="button" class="chip" aria-haspopup="dialog" aria-label=${`${t("model.choose")}: ${model.name}`} onClick=${change}>
      <span class="truncate">${model.name}</span><${Icon} name="chevron-down" class="small" />
    </button>
    ${columns.value.length > LEAST &&
    html`<button
      type="button"
      class="icon-button small"
      aria-label=${t("compare.remove", { model: model.name })}
      onClick=${() => removeColumn(column.key)}
    >
      <${Icon} name="x" />
    </button>`}
  </header>`;
}

function Side({ message, run }) {
  if (message.role === "user") return html`<div class="turn user-message"><div class="bubble" dir="auto">${textOf(message)}</div></div>`;
  const model = modelNamed(message.model);
  return html`<article
    class="turn assistant-message"
    aria-label=${t("message.answerOf", { model: model.name })}
    aria-busy=${run ? "true" : undefined}
  >
    <${AnswerBody} message=${message} run=${run} />
    ${run ? html`<${Live}
      run=${run}
      model=${model}
    />` : html`<div class="message-foot"><${MessageActions} text=${textOf(message)} actions=${[]} /><${MessageFooter} message=${message} /></div>`}
  </article>`;
}

function Live({ run, model }) {
  if (run.waiting.value) return html`<${TypingState} run=${run} model=${model} />`;
  return html`<div class="message-foot">
    ${run.isActive && html`<span class="caret" aria-hidden="true" />`}<${EndStatus} status=${run.state.value} />
    <${LiveFooter} model=${model.id} figures=${run.timing.value} />
  </div>`;
}

function isWhole(path) {
  const last = path.at(-1);
  return last?.role === "assistant" && !activeRuns.value.has(last.id);
}
