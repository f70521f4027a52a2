// An answer that failed: who failed and why, what was kept, and what can be done about it.

import { html, useEffect, useState } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { duration } from "../i18n/format.mjs";
import { Icon } from "./Icon.mjs";
import { copyText } from "./copying.mjs";
import { notify } from "./notices.mjs";

const TITLE_BY_CODE = {
  invalid_api_key: "error.auth",
  upstream_authentication_failed: "error.providerAuth",
  context_length_exceeded: "error.context",
  model_not_found: "error.modelNotFound",
  insufficient_quota: "error.quota",
  upstream_overloaded: "error.overloaded",
  upstream_unavailable: "error.overloaded",
  connection_lost: "error.network",
  server_stopping: "banner.stopping",
  stream_gone: "error.gone",
  abandoned: "error.abandoned",
};
const TITLE_BY_TYPE = {
  TIMEOUT: "error.timeout",
  RATE_LIMIT: "error.rateLimit",
  PARSE: "error.parse",
  MAX_RETRIES_EXCEEDED: "error.maxRetries",
  NETWORK: "error.server",
  SERVER: "error.server",
};
const LOST = "error.goneHint"; // there has to be a text to go on from, and a way to
const HINTS = { "error.network": "error.networkHint", "error.context": "error.contextHint", "error.gone": LOST, "error.abandoned": LOST, "banner.stopping": LOST };

// error: {type, code, status, message, provider, model, retryAfter, requestId}; at: when it happened (milliseconds since
// 1970); kept: how many words of the answer were kept. actions: [{label, icon, run, isMain}].
export function ErrorCard({ error, at = null, kept = 0, actions }) {
  const [title, who] = titleOf(error);
  const hasNoRest = HINTS[title] === LOST && !(kept > 0 && actions.length);
  const facts = [error.model && error.status ? t("error.status", { model: error.model, status: error.status }) : null, error.code];
  return html`<section class="error-card" aria-label=${t(title, who)}>
    <${Icon} name="triangle-alert" />
    <p class="error-title">${t(title, who)}</p>
    <p class="error-text" dir="auto">${error.message}</p>
    ${HINTS[title] && !hasNoRest && html`<p class="error-text">${t(HINTS[title], who)}</p>`}
    ${error.retryAfter && at !== null && html`<${Countdown} until=${at + error.retryAfter * 1000} />`}
    ${kept > 0 && html`<p class="error-text">${t("error.kept", { count: kept })}</p>`}
    <${Details} error=${error} summary=${facts.filter(Boolean).join(" · ")} />
    <div class="error-actions">
      ${actions.map(
        ({ label, icon, run, isMain }) =>
          html`<button type="button" class=${`button small${isMain ? " primary" : ""}`} key=${label} onClick=${(event) => run(event.currentTarget)}>
            <${Icon} name=${icon} class="small" />${label}
          </button>`,
      )}
    </div>
  </section>`;
}

// The key of the title and what it names.
function titleOf({ type, code, provider, model }) {
  const title = TITLE_BY_CODE[code] ?? TITLE_BY_TYPE[type] ?? "error.unknown";
  return [title, { provider: provider ?? model ?? t("app.name"), model: model ?? t("model.none") }];
}

// Until when a provider asks to wait.
function Countdown({ until }) {
  const [now, setNow] = useState(Date.now());
  const rest = Math.ceil((until - now) / 1000);
  useEffect(() => {
    if (rest <= 0) return undefined;
    const timer = setTimeout(() => setNow(Date.now()), 1000);
    return () => clearTimeout(timer);
  }, [now]);
  return rest > 0 ? html`<p class="error-text numeric">${t("error.rateLimitHint", { time: duration(rest) })}</p>` : null;
}

function Details({ error, summary }) {
  const text = JSON.stringify(error, null, 2);
  const copy = () => copyText(text).then(() => notify(t("toast.copied"), { icon: "check" }));
  return html`<details class="disclosure error-detail">
    <summary><${Icon} name="chevron-right" class="small" />${t("error.details")}${summary && html`<span class="quiet">${summary}</span>`}</summary>
    <pre dir="ltr" tabindex="0" role="region" aria-label=${t("error.details")}>${text}</pre>
    <button type="button" class="button small ghost" onClick=${copy}><${Icon} name="copy" class="small" />${t("error.copyDetails")}</button>
  </details>`;
}
