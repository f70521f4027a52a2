// All that is known of one answer: tokens, times, cost, and how the speed went.

import { html, useLayoutEffect, useRef } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { duration, money, number } from "../i18n/format.mjs";
import { figuresOf } from "../run/usage.mjs";

// source: the button that opened it.
export function MessageDetails({ message, source, onClose }) {
  const place = useRef(null);
  useLayoutEffect(() => place.current.showPopover({ source }), []);
  const { rates } = message.timing?.curve ?? { rates: [] };
  return html`<div class="popover up end" popover="auto" ref=${place} role="dialog" aria-label=${t("message.details")} onToggle=${({ newState }) => newState === "closed" && onClose()}>
    <dl class="stat-list">
      ${factsOf(message).map(([name, value]) => [html`<dt key=${name}>${t(name)}</dt>`, html`<dd key=${`${name}=`}>${value}</dd>`])}
    </dl>
    ${rates.length > 2 && html`<${Sparkline} rates=${rates} />`}
  </div>`;
}

function factsOf({ model, provider, usage, timing, cost, requestId, attempts }) {
  const figures = figuresOf(usage);
  const time = (milliseconds) => (Number.isFinite(milliseconds) ? duration(milliseconds / 1000) : null);
  const count = (value) => (value ? number(value) : null);
  const facts = [
    ["usage.model", model],
    ["usage.provider", provider],
    ["usage.prompt", count(figures?.input)],
    ["usage.cached", count(figures?.cached)],
    ["usage.completion", count(figures?.output ?? timing?.tokens)],
    ["usage.reasoningTokens", count(figures?.reasoning)],
    ["usage.total", count(figures?.total)],
    ["usage.cost", typeof cost === "number" ? money(cost) : null],
    ["usage.timeQueue", time(timing?.queue)],
    ["usage.timeLoad", time(timing?.load)],
    ["usage.timeFirst", time(timing?.ttft)],
    ["usage.timeTotal", time(timing?.duration)],
    ["usage.speedLabel", timing?.tokensPerSecond ? number(timing.tokensPerSecond, { maximumFractionDigits: 1 }) : null],
    ["usage.attempts", attempts > 1 ? number(attempts) : null],
    ["usage.requestId", requestId],
  ];
  return facts.filter(([, value]) => value !== null && value !== undefined);
}

// Tokens a second from the first to the last.
function Sparkline({ rates }) {
  const highest = Math.max(...rates, 1);
  const points = rates.map((rate, place) => `${(place / (rates.length - 1)) * 100},${30 - (rate / highest) * 28}`);
  return html`<svg class="sparkline" viewBox="0 0 100 32" preserveAspectRatio="none" role="img" aria-label=${t("usage.speedLabel")}>
    <polyline points=${points.join(" ")} vector-effect="non-scaling-stroke" />
  </svg>`;
}
