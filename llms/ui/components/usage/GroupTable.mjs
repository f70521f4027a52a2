// Models, providers or keys beside each other, the most used first.

import { compact, duration, money, number, percent } from "../../i18n/format.mjs";
import { t } from "../../i18n/t.mjs";
import { html } from "../../view.mjs";
import { costOf, tokensOf } from "./figures.mjs";

const NONE = "–";
const TITLES = { model: "usagePage.byModel", provider: "usagePage.byProvider", key: "usagePage.byKey" };

export function GroupTable({ report, group }) {
  const all = [...report.groups, ...(report.rest ? [{ name: null, ...report.rest }] : [])];
  const hasCost = all.some(({ totals }) => costOf(totals) !== null);
  const heads = ["requests", "share", "tokens", "firstToken", "p95Head", "speed", hasCost && "cost", "errors"].filter(Boolean);
  return html`<section class="card full" aria-label=${t(TITLES[group])}>
    <h3 class="card-title">${t(TITLES[group])}</h3>
    <div class="table-scroll" tabindex="0" role="region" aria-label=${t(TITLES[group])}>
      <table class="data-table">
        <thead>
          <tr>
            <th scope="col">${t(`usagePage.${group}`)}</th>
            ${heads.map((name) => html`<th scope="col" class="number" key=${name}>${t(`usagePage.${name}`)}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${all.map((each) => html`<${Row}
            key=${each.name}
            ...${each}
            whole=${report.totals}
            hasCost=${hasCost}
          />`)}
        </tbody>
      </table>
    </div>
  </section>`;
}

function Row({ name, totals, whole, hasCost }) {
  const cost = costOf(totals);
  const share = totals.requests / whole.requests;
  const cells = [
    number(totals.requests),
    html`<span class="share"><span class="share-bar" style=${{ inlineSize: `${share * 100}%` }} /></span> ${percent(share)}`,
    compact(tokensOf(totals)),
    measured(totals.ttft_p50, duration),
    measured(totals.ttft_p95, duration),
    measured(totals.tokens_per_second, (speed) => number(speed, { maximumFractionDigits: 1 })),
    ...(hasCost ? [cost === null ? NONE : money(cost)] : []),
    number(totals.errors),
  ];
  return html`<tr>
    <th scope="row" dir="auto">${name === null ? t("usagePage.rest") : name || t("usagePage.unknown")}</th>
    ${cells.map((cell, index) => html`<td class="number" key=${index}>${cell}</td>`)}
  </tr>`;
}

function measured(value, format) {
  return value === null ? NONE : format(value);
}
