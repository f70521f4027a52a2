// What was used: requests, tokens, cost, times, by model, provider or key. All of it is told by the server.

import { readUsage } from "../api/usage.mjs";
import { compact, duration, money, number } from "../i18n/format.mjs";
import { t } from "../i18n/t.mjs";
import { html, useEffect, useMemo, useState } from "../view.mjs";
import { withSheet } from "./lazy.mjs";
import { Chart } from "./usage/Chart.mjs";
import { GroupTable } from "./usage/GroupTable.mjs";
import { Requests } from "./usage/Requests.mjs";
import { Streams } from "./usage/Streams.mjs";
import { RANGES, columnsOf, costOf, queryOf, tokensOf } from "./usage/figures.mjs";

await Promise.all([withSheet("usage"), withSheet("../vendor/uplot")]);

const GROUPS = ["model", "provider", "key"];
const AGAIN = 15_000; // milliseconds

export function UsagePage() {
  const [range, setRange] = useState(RANGES[1]);
  const [group, setGroup] = useState("model");
  const { report, problem } = useReport(range, group);
  return html`<div class="page" id="conversation" tabindex="-1">
    <div class="column usage-page">
      <div class="page-head">
        <${Segments}
          label=${t("usagePage.range")}
          values=${RANGES.map(({ name }) => name)}
          chosen=${range.name}
          onChoose=${(name) => setRange(RANGES.find((each) => each.name === name))}
        />
        <${Segments} label=${t("usagePage.groupBy")} values=${GROUPS} chosen=${group} onChoose=${setGroup} />
      </div>
      ${problem && html`<p class="notice warn" role="alert">${problem.message}</p>`}
      ${report === null && html`<p class="empty-note">${t("usagePage.absent")}</p>`}
      ${report && html`<${Report} report=${report} group=${group} range=${range} />`}
    </div>
  </div>`;
}

function Segments({ label, values, chosen, onChoose }) {
  return html`<div class="segmented" role="group" aria-label=${label}>
    ${values.map((name) => html`<button
      type="button"
      key=${name}
      aria-pressed=${name === chosen}
      onClick=${() => onChoose(name)}
    >
      ${t(`usagePage.${name}`)}
    </button>`)}
  </div>`;
}

function Report({ report, group }) {
  const { totals } = report;
  const cost = costOf(totals);
  const charts = useMemo(() => chartsOf(report), [report]);
  if (!totals.requests) return html`<p class="empty-note">${t("usagePage.empty")}</p><${Requests} />`;
  return html`<div class="stat-grid">
      ${stat("requests", number(totals.requests), t("usagePage.failed", { count: totals.errors, cancelled: totals.cancelled }))}
      ${stat("tokens", compact(tokensOf(totals)), t("usagePage.inOut", { input: compact(totals.prompt_tokens), output: compact(totals.completion_tokens) }))}
      ${cost !== null && stat("cost", money(cost), totals.unpriced ? t("usagePage.unpriced", { count: number(totals.unpriced) }) : t("usagePage.byList"))}
      ${totals.ttft_p50 !== null && stat("firstToken", duration(totals.ttft_p50), t("usagePage.p95", { time: duration(totals.ttft_p95) }))}
      ${totals.tokens_per_second !== null && stat("speed", number(totals.tokens_per_second, { maximumFractionDigits: 1 }), t("usagePage.perSecond"))}
    </div>
    <div class="card-grid">
      ${charts.map((chart) => html`<${Chart} key=${chart.title} step=${report.step} ...${chart} />`)}
      <${GroupTable} report=${report} group=${group} />
    </div>
    <${Streams} />
    <${Requests} />`;
}

function stat(name, value, note) {
  return html`<div class="card" key=${name}>
    <p class="stat-label">${t(`usagePage.${name}`)}</p>
    <p class="stat-value">${value}</p>
    <p class="stat-change">${note}</p>
  </div>`;
}

function chartsOf(report) {
  const sums = ["requests", "errors", "prompt_tokens", "completion_tokens"];
  const { times, requests, errors, ...columns } = columnsOf(report, sums, ["ttft_p50", "ttft_p95"]);
  const { prompt_tokens: input, completion_tokens: output, ttft_p50: half, ttft_p95: most } = columns;
  const { totals } = report;
  const both = input.map((value, index) => value + output[index]);
  const soft = "oklch(from var(--accent-fill) l c h / 0.35)";
  const charts = [
    {
      title: t("usagePage.tokens"),
      isWide: true,
      times,
      // The sum stands behind, so that the input on top of it leaves the output to be seen.
      lines: [
        { label: t("usagePage.output"), values: both, shown: output, colour: soft, isBar: true, format: compact },
        { label: t("usagePage.input"), values: input, colour: "var(--accent-fill)", isBar: true, format: compact },
      ],
      summary: t("usagePage.inOut", { input: compact(totals.prompt_tokens), output: compact(totals.completion_tokens) }),
    },
    {
      title: t("usagePage.requests"),
      times,
      lines: [
        { label: t("usagePage.requests"), values: requests, colour: "var(--accent-fill)", isBar: true, format: number },
        { label: t("usagePage.errors"), values: errors, colour: "var(--bad-fill)", isBar: true, format: number },
      ],
      summary: t("usagePage.failed", { count: totals.errors, cancelled: totals.cancelled }),
    },
  ];
  if (totals.ttft_p50 === null) return charts;
  const lines = [
    { label: t("usagePage.median"), values: half, colour: "var(--accent-fill)", format: duration },
    { label: t("usagePage.slowest"), values: most, colour: "var(--warn)", format: duration },
  ];
  const summary = `${duration(totals.ttft_p50)}, ${t("usagePage.p95", { time: duration(totals.ttft_p95) })}`;
  return [...charts, { title: t("usagePage.firstToken"), times, lines, summary }];
}

// A server that keeps no accounts says so by a 404; everything else leaves what was shown.
function failed(problem) {
  if (problem.status === 404) return { report: null, problem: null };
  return ({ report }) => ({ report, problem });
}

// The report, read again now and then; undefined until it is there, null where this server keeps none.
function useReport(range, group) {
  const [state, setState] = useState({ report: undefined, problem: null });
  useEffect(() => {
    const leaving = new AbortController();
    const read = () =>
      readUsage(queryOf(range, group), { signal: leaving.signal }).then(
        (report) => setState({ report, problem: null }),
        (problem) => leaving.signal.aborted || setState(failed(problem)),
      );
    read();
    const timer = setInterval(() => document.hidden || read(), AGAIN);
    return () => {
      leaving.abort();
      clearInterval(timer);
    };
  }, [range, group]);
  return state;
}
