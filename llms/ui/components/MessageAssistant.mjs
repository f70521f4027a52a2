// An answer, with what can be done about it and how it came about.

import { html } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { isBeingWritten, textOf } from "../store/message.mjs";
import { AnswerActions } from "./AnswerActions.mjs";
import { AnswerBody } from "./AnswerBody.mjs";
import { BranchSwitch } from "./BranchSwitch.mjs";
import { BrokenOff } from "./BrokenOff.mjs";
import { EditBox } from "./EditBox.mjs";
import { EndStatus, LiveFooter, MessageFooter } from "./MessageFooter.mjs";
import { LiveActions } from "./LiveActions.mjs";
import { TypingState } from "./TypingState.mjs";
import * as composing from "./composing.mjs";
import * as conversation from "./conversation.mjs";

const NOBODY = { id: null, name: "", provider: null };

// run: the one that writes it in this tab, or undefined.
export function MessageAssistant({ message, siblings, run }) {
  if (!run && conversation.editing.value === message.id) return html`<${Editing} message=${message} />`;
  const isElsewhere = !run && isBeingWritten(message);
  return html`<${AnswerBody} message=${message} run=${run} />
    ${run && html`<${LiveState} run=${run} model=${conversation.modelNamed(message.model)} />`}
    ${isElsewhere && html`<p class="status-line"><span class="live-dot" />${t("banner.otherTab")}</p>`}
    ${!run && message.error && html`<${BrokenOff} message=${message} />`}
    ${!run && !isElsewhere && html`<${Foot} message=${message} siblings=${siblings} />`}`;
}

function Foot({ message, siblings }) {
  return html`<div class="message-foot">
    <${EndStatus} status=${message.status} reason=${message.finishReason} hasGap=${message.hasGap} />
    <${AnswerActions} message=${message} />
    <${BranchSwitch} siblings=${siblings} shown=${message.id} onShow=${conversation.show} />
    <${MessageFooter} message=${message} />
  </div>`;
}

// What is going on before the first text, the figures after it. model: null where they would be somebody else's.
export function LiveState({ run, model }) {
  const state = run.state.value;
  if (run.reconnecting.value) return html`<p class="status-line" role="status" data-state="reconnecting"><span class="shimmer">${t("run.reconnecting")}</span></p>`;
  if (run.waiting.value) return html`<${TypingState} run=${run} model=${model ?? NOBODY} />`;
  return html`<div class="message-foot">
    ${run.isActive && html`<span class="caret" aria-hidden="true" />`}
    <${EndStatus} status=${state} />
    <${LiveActions} run=${run} />
    ${model && html`<${LiveFooter} model=${model.id} figures=${run.timing.value} />`}
  </div>`;
}

function Editing({ message }) {
  return html`<${EditBox}
    text=${textOf(message)}
    label=${t("message.edit")}
    onEnd=${leave}
    choices=${[{ label: t("message.editSave"), isMain: true, run: (text) => conversation.saveEdit(message, text) }]}
  />`;
}

function leave() {
  conversation.edit(null);
  composing.focus();
}
