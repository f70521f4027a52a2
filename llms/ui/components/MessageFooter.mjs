// The quiet line below an answer: model, speed, time to the first token, tokens, cost; how it ended, if not by itself.

import { html, useState } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { compact, duration, money, number } from "../i18n/format.mjs";
import { figuresOf } from "../run/usage.mjs";
import { settings } from "../settings.mjs";
import { lazy } from "./lazy.mjs";

const MessageDetails = lazy(() => import("./MessageDetails.mjs"), "MessageDetails");
const ENDS = { canceled: "run.canceled", error: "run.failed", interrupted: "run.interrupted" };
const REASONS = { length: "run.cut", content_filter: "run.filtered" };

export function MessageFooter({ message }) {
  const [source, setSource] = useState(null);
  const parts = settings.showStatistics.value ? partsOf(message) : [];
  return html`${parts.length > 0 &&
    html`<button
      type="button"
      class="usage"
      aria-haspopup="dialog"
      aria-expanded=${source !== null}
      onClick=${({ currentTarget }) => setSource(source ? null : currentTarget)}
    >
      ${parts.map((part) => html`<span key=${part}>${part}</span>`)}
    </button>`}
    ${source && html`<${MessageDetails} message=${message} source=${source} onClose=${() => setSource(null)} />`}`;
}

// hasGap: thoughts or tool calls may be missing.
export function EndStatus({ status, reason, hasGap = false }) {
  const name = ENDS[status] ?? REASONS[reason] ?? (hasGap ? "run.hasGap" : undefined);
  return name ? html`<span class="error-status" data-status=${status}>${t(name)}</span>` : null;
}

// The same line while the answer is written. figures: {tokens, tokensPerSecond, ttft}.
export function LiveFooter({ model, figures }) {
  if (!settings.showStatistics.value) return null;
  const parts = partsOf({ model, timing: figures });
  return html`<span class="usage">${parts.map((part, place) => html`<span key=${place}>${part}</span>`)}</span>`;
}

function partsOf({ model, usage, timing, cost }) {
  const tokens = figuresOf(usage)?.output || timing?.tokens;
  return [
    model,
    timing?.tokensPerSecond ? t("usage.speed", { speed: speed(timing.tokensPerSecond) }) : null,
    Number.isFinite(timing?.ttft) ? t("usage.firstToken", { time: duration(timing.ttft / 1000) }) : null,
    tokens ? t("usage.tokens", { count: tokens, amount: compact(tokens) }) : null,
    typeof cost === "number" && cost > 0 ? money(cost) : null,
  ].filter(Boolean);
}

function speed(rate) {
  return number(rate, { maximumFractionDigits: rate < 9.95 ? 1 : 0 });
}
