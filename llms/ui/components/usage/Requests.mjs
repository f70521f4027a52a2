// Single requests: those under way, which can be stopped, and the latest that ended.

import { ifPresent, request } from "../../api/http.mjs";
import { compact, duration, moment } from "../../i18n/format.mjs";
import { t } from "../../i18n/t.mjs";
import { html, useEffect, useState } from "../../view.mjs";
import { notify } from "../notices.mjs";

const AGAIN = 2000; // milliseconds
const AT_ONCE = 20;
const BADGES = { ok: "good", error: "bad", truncated: "bad", cancelled: "warn" };

export function Requests() {
  return html`<${Live} /><${Latest} />`;
}

function Live() {
  const [rows, setRows] = useState([]);
  useEffect(() => {
    const read = () => document.hidden || ifPresent(request("GET", "/api/requests")).then((answer) => setRows(answer?.data ?? []), () => {});
    read();
    const timer = setInterval(read, AGAIN);
    return () => clearInterval(timer);
  }, []);
  if (!rows.length) return null;
  const stop = (id) => request("DELETE", `/api/requests/${encodeURIComponent(id)}`).catch((error) => notify(error.message, { icon: "circle-alert" }));
  return html`<section class="card usage-requests" aria-label=${t("usagePage.live")}>
    <h3 class="card-title">${t("usagePage.live")}</h3>
    <ul class="rows">
      ${rows.map(
        (row) => html`<li class="row" key=${row.id}>
          <span class="live-dot" />
          <div class="row-text">
            <span class="setting-label">${row.asked_model}</span>
            <span class="setting-hint numeric">${[row.provider, t(`usagePage.state_${row.state}`), duration(row.elapsed), row.key_id].filter(Boolean).join(" · ")}</span>
          </div>
          <button
            type="button"
            class="button small"
            aria-label=${`${t("composer.stop")}: ${row.asked_model}`}
            onClick=${() => stop(row.id)}
          >
            ${t("composer.stop")}
          </button>
        </li>`,
      )}
    </ul>
  </section>`;
}

function Latest() {
  const [{ rows, before }, setPage] = useState({ rows: [], before: null });
  const read = async (from) => {
    const query = new URLSearchParams({ limit: AT_ONCE, ...(from !== null && { before: from }) });
    const answer = await ifPresent(request("GET", `/api/usage/requests?${query}`)).catch(() => null);
    if (answer) setPage(({ rows: had }) => ({ rows: from === null ? answer.data : [...had, ...answer.data], before: answer.before }));
  };
  useEffect(() => void read(null), []);
  if (!rows.length) return null;
  return html`<section class="card usage-requests" aria-label=${t("usagePage.latest")}>
    <h3 class="card-title">${t("usagePage.latest")}</h3>
    <div class="table-scroll" tabindex="0" role="region" aria-label=${t("usagePage.latest")}>
      <table class="data-table">
        <thead>
          <tr>
            <th scope="col">${t("usagePage.time")}</th>
            <th scope="col">${t("usagePage.model")}</th>
            <th scope="col">${t("usagePage.outcome")}</th>
            <th scope="col" class="number">${t("usagePage.tokens")}</th>
            <th scope="col" class="number">${t("usagePage.ttft")}</th>
            <th scope="col" class="number">${t("usagePage.duration")}</th>
            <th scope="col">${t("usagePage.key")}</th>
          </tr>
        </thead>
        <tbody>
          ${rows.map((row) => html`<${Row} key=${row.id} row=${row} />`)}
        </tbody>
      </table>
    </div>
    ${before !== null && html`<button
      type="button"
      class="button small more-rows"
      onClick=${() => read(before)}
    >
      ${t("action.more")}
    </button>`}
  </section>`;
}

function Row({ row }) {
  return html`<tr>
    <th scope="row">${moment(row.started * 1000)}</th>
    <td dir="ltr">${row.model ? `${row.provider}/${row.model}` : row.asked_model}</td>
    <td><span class="badge ${BADGES[row.outcome] ?? ""}">${row.error_code ?? t(`usagePage.outcome_${row.outcome}`)}</span></td>
    <td class="number">${compact(row.prompt_tokens + row.completion_tokens)}</td>
    <td class="number">${row.ttft === null ? "–" : duration(row.ttft)}</td>
    <td class="number">${duration(row.duration)}</td>
    <td>${row.key_id}</td>
  </tr>`;
}
