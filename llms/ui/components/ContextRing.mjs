// How much of the model's context the conversation fills: a ring, the numbers when it is opened.

import { html, useId } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { compact, money, number, percent } from "../i18n/format.mjs";
import { contextOf, totalsOf } from "../run/usage.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { text } from "./composing.mjs";
import { currentModel } from "./conversation.mjs";

const HIGH = 0.75;
const FULL = 0.95;

// Draws nothing where nobody knows how large the context is.
export function ContextRing() {
  const id = useId();
  const { contextWindow: total = null, name } = currentModel.value ?? {};
  if (!total) return null;
  const path = useThreadStore().path.value;
  const { cost } = totalsOf(path);
  const { tokens, share, isEstimate } = contextOf({ path, draft: text.value, contextWindow: total });
  const level = share >= FULL ? "full" : share >= HIGH ? "high" : "normal";
  const told = t("composer.contextUsed", { used: compact(tokens), total: compact(total), share: percent(share) });
  return html`<button type="button" class="icon-button" popovertarget=${id} aria-label=${`${t("composer.context")}: ${told}`} title=${told}>
      <svg class="context-ring" viewBox="0 0 20 20" data-level=${level} style=${{ "--fill": String(Math.round(share * 100)) }} aria-hidden="true">
        <circle cx="10" cy="10" r="7.5" />
        <circle cx="10" cy="10" r="7.5" pathLength="100" />
      </svg>
    </button>
    <div class="popover up end" popover="auto" id=${id}>
      <dl class="stat-list">
        <dt>${t("composer.context")}</dt>
        <dd>${percent(share)}</dd>
        <dt>${t("usage.total")}</dt>
        <dd>${number(tokens)} / ${number(total)} ${isEstimate && html`<span class="quiet">(${t("usage.estimated")})</span>`}</dd>
        ${cost !== null && html`<dt>${t("usage.chatCost")}</dt>`} ${cost !== null && html`<dd>${money(cost)}</dd>`}
      </dl>
      ${level === "full" && html`<p class="field-hint">${t("composer.contextFull", { model: name })}</p>`}
    </div>`;
}
