// The parts of an answer. While its run writes it they come from there, afterwards from the message; what is shown stays
// the same in the page, so that nothing flickers and nothing selected or opened is lost.

import { html } from "../view.mjs";
import { settings } from "../settings.mjs";
import { Markdown } from "./Markdown.mjs";
import { Reasoning } from "./Reasoning.mjs";
import { ToolCalls } from "./ToolCalls.mjs";

export function AnswerBody({ message, run }) {
  const base = run?.base ?? []; // what stands before that which the run brings
  const pieces = run ? [...keptPieces(message.id, base), ...livePieces(message.id, base, run)] : keptPieces(message.id, message.parts);
  return html`<div class="message-body">${pieces}</div>`;
}

// Pieces are named by type and place, the same while they are written and afterwards.
function livePieces(id, base, run) {
  const next = (type) => `${type}${base.filter((part) => part.type === type).length}`;
  return [
    html`<${AnswerReasoning} key=${next("reasoning")} run=${run} />`,
    html`<${Markdown} key=${next("text")} text=${run.text} isLive=${true} id=${`${id}-${next("text")}`} />`,
    html`<${LiveCalls} key="calls" run=${run} />`,
  ];
}

function keptPieces(id, parts) {
  const counts = {};
  return parts.map((part) => {
    const place = (counts[part.type] = (counts[part.type] ?? -1) + 1);
    const key = `${part.type}${place}`;
    if (part.type === "reasoning") return html`<${AnswerReasoning} key=${key} part=${part} />`;
    if (part.type === "text") return html`<${Markdown} key=${key} text=${part.text} id=${`${id}-${key}`} />`;
    if (part.type === "tool_call") return html`<${ToolCalls} key=${key} calls=${[callOf(part, parts)]} />`;
    return null;
  });
}

function AnswerReasoning({ run, part }) {
  const text = run ? run.reasoning.value : part.text;
  if (!text) return null;
  const isActive = run?.state.value === "thinking";
  const time = run ? run.reasoningTime : (part.duration ?? null);
  const since = isActive ? run.startedAt : null;
  return html`<${Reasoning} text=${text} seconds=${time === null ? null : time / 1000} since=${since} opensItself=${settings.showReasoning.value} />`;
}

function LiveCalls({ run }) {
  const state = run.state.value === "tool" ? "running" : "called";
  return html`<${ToolCalls} calls=${run.toolCalls.value.map((call) => ({ ...call, result: null, state }))} />`;
}

// A call with its result, which is a part of its own.
function callOf({ id, name, arguments: given }, parts) {
  const result = parts.find((part) => part.type === "tool_result" && part.id === id);
  return { id, name, arguments: given, result: result?.text ?? null, state: result ? "done" : "called" };
}
