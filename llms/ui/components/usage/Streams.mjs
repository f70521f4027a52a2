// How streams went: those of the last day by the hour, and the figures of the last hour, day and week.

import { ifPresent, request } from "../../api/http.mjs";
import { duration, number, percent } from "../../i18n/format.mjs";
import { t } from "../../i18n/t.mjs";
import { html, useEffect, useMemo, useState } from "../../view.mjs";
import { Chart } from "./Chart.mjs";
import { columnsOf } from "./figures.mjs";

const AGAIN = 15_000; // milliseconds
const DAY = 86_400;
const NONE = "–";
const NAMES = { "1h": "hour", "24h": "hours", "7d": "week" };
const HEADS = ["streams", "failures", "ttftShares", "speedShares", "duration", "perStream", "reconnected", "recovered"];

export function Streams() {
  const found = useAnalytics();
  const chart = useMemo(() => found && chartOf(found), [found]);
  if (!found?.windows.some(({ total_streams: total }) => total)) return null;
  return html`<div class="card-grid">
    <${Chart} title=${t("usagePage.streamsOfDay")} step=${found.step} isWide ...${chart} />
    <section class="card full" aria-label=${t("usagePage.streams")}>
      <h3 class="card-title">${t("usagePage.streams")}</h3>
      <div class="table-scroll" tabindex="0" role="region" aria-label=${t("usagePage.streams")}>
        <table class="data-table">
          <thead>
            <tr>
              <th scope="col">${t("usagePage.range")}</th>
              ${HEADS.map((name) => html`<th scope="col" class="number" key=${name}>${t(`usagePage.${name}`)}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${found.windows.map((each) => html`<${Row} key=${each.window} figures=${each} />`)}
          </tbody>
        </table>
      </div>
    </section>
  </div>`;
}

function Row({ figures }) {
  const cells = [
    number(figures.total_streams),
    measured(figures.error_rate, (rate) => percent(rate, 1)),
    shares(figures.ttft, duration),
    shares(figures.tokens_per_second, rounded),
    measured(figures.average_duration, duration),
    measured(figures.average_tokens_per_stream, rounded),
    measured(figures.reconnection_rate, percent),
    measured(figures.recovery_rate, percent),
  ];
  return html`<tr>
    <th scope="row">${t(`usagePage.${NAMES[figures.window]}`)}</th>
    ${cells.map((cell, index) => html`<td class="number" key=${index}>${cell}</td>`)}
  </tr>`;
}

function shares({ p50, p90, p99 }, format) {
  return p50 === null ? NONE : [p50, p90, p99].map((value) => format(value)).join(" · ");
}

function measured(value, format) {
  return value === null ? NONE : format(value);
}

function rounded(value) {
  return number(value, { maximumFractionDigits: 0 });
}

function chartOf({ series, step, to, windows }) {
  const { times, total_streams: all, failed_streams: failed } = columnsOf({ from: to - DAY, to, step, series }, ["total_streams", "failed_streams"]);
  const day = windows.find(({ window }) => window === "24h");
  return {
    times,
    lines: [
      { label: t("usagePage.streams"), values: all, colour: "var(--accent-fill)", isBar: true, format: number },
      { label: t("usagePage.errors"), values: failed, colour: "var(--bad-fill)", isBar: true, format: number },
    ],
    summary: t("usagePage.failed", { count: day.failed_streams, cancelled: day.cancelled_streams }),
  };
}

// What GET /api/analytics answers, read again now and then; null where there is none.
function useAnalytics() {
  const [found, setFound] = useState(null);
  useEffect(() => {
    const leaving = new AbortController();
    const read = () => ifPresent(request("GET", "/api/analytics", { signal: leaving.signal })).then(setFound, () => {});
    read();
    const timer = setInterval(() => document.hidden || read(), AGAIN);
    return () => {
      leaving.abort();
      clearInterval(timer);
    };
  }, []);
  return found;
}
