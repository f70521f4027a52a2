// What stands there when a part of the page itself has failed.

import { html } from "../view.mjs";
import { t } from "../i18n/t.mjs";

export function Broken({ problem, onRetry }) {
  console.error(problem);
  return html`<main class="gate">
    <div class="gate-card" role="alert">
      <h1 class="gate-title">${t("app.failed")}</h1>
      <p class="muted" dir="ltr">${String(problem?.message ?? problem)}</p>
      <div class="button-row">
        <button type="button" class="button primary" onClick=${() => location.reload()}>${t("app.reload")}</button>
        <button type="button" class="button" onClick=${onRetry}>${t("action.back")}</button>
      </div>
    </div>
  </main>`;
}
