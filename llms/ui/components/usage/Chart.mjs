// One chart in the colours of the page, and its numbers as a table beside it.

import uPlot from "uplot";

import { language, t } from "../../i18n/t.mjs";
import { settings } from "../../settings.mjs";
import { effect, html, useEffect, useRef, useState } from "../../view.mjs";
import { Icon } from "../Icon.mjs";

const HEIGHT = 210; // pixels
const NONE = "–";
const HOUR = 3600;
const DAYS = [1, 2, 4, 7, 14, 28, 56, 91, 182].map((days) => days * 24 * HOUR); // between two labels

// times: Unix seconds; lines: [{label, values, shown, colour: a CSS colour, format, isBar}], later ones over earlier ones;
// shown: the numbers to tell where `values` are those to draw. summary: what the chart says in a sentence.
export function Chart({ title, times, lines, step, summary, isWide = false }) {
  const [place, at] = [useRef(null), useState(null)];
  const [cursor, setCursor] = at;
  useEffect(() => drawn(place.current, { times, lines, step, onCursor: setCursor }), [times, lines]);
  return html`<section class=${`card ${isWide ? "full" : ""}`} aria-label=${title}>
    <header class="chart-head">
      <h3 class="card-title">${title}</h3>
      <${Legend} lines=${lines} at=${cursor} time=${cursor === null ? null : timeOf(times[cursor], step)} />
    </header>
    <div class="chart" ref=${place} role="img" aria-label=${summary} />
    <details class="disclosure">
      <summary><${Icon} name="chevron-right" class="small" />${t("usagePage.asTable")}</summary>
      <div
        class="table-scroll"
        tabindex="0"
        role="region"
        aria-label=${title}
      >
        <${Numbers} times=${times} lines=${lines} step=${step} />
      </div>
    </details>
  </section>`;
}

function Legend({ lines, at, time }) {
  return html`<p class="chart-legend">
    ${time && html`<span class="quiet">${time}</span>`}
    ${lines.map(
      (line) => html`<span key=${line.label} class="chart-key">
        <span
          class="chart-mark"
          style=${{ background: line.colour }}
        />${line.label}${at !== null && html` <b class="numeric">${told(line, at)}</b>`}
      </span>`,
    )}
  </p>`;
}

function Numbers({ times, lines, step }) {
  const rows = times.map((time, index) => ({ time, index })).filter(({ index }) => lines.some(({ values }) => values[index]));
  if (!rows.length) return html`<p class="empty-note">${t("usagePage.nothing")}</p>`;
  return html`<table class="data-table">
    <thead>
      <tr>
        <th scope="col">${t("usagePage.time")}</th>
        ${lines.map(({ label }) => html`<th scope="col" class="number" key=${label}>${label}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.reverse().map(
        ({ time, index }) => html`<tr key=${time}>
          <th scope="row">${timeOf(time, step)}</th>
          ${lines.map((line) => html`<td class="number" key=${line.label}>${told(line, index)}</td>`)}
        </tr>`,
      )}
    </tbody>
  </table>`;
}

function told({ values, shown = values, format }, index) {
  return shown[index] === null ? NONE : format(shown[index]);
}

// Draws, and again when size or colours change; returns a function that ends it.
function drawn(place, { times, lines, step, onCursor }) {
  let plot = null;
  const data = [times, ...lines.map(({ values }) => values)];
  const draw = () => {
    plot?.destroy();
    plot = new uPlot(options(place, lines, step, onCursor), data, place);
  };
  const resized = new ResizeObserver(() => plot?.setSize({ width: place.clientWidth, height: HEIGHT }));
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const stop = effect(() => {
    void [settings.theme.value, settings.accent.value];
    queueMicrotask(draw); // when the page has taken the colours
  });
  resized.observe(place);
  scheme.addEventListener("change", draw);
  return () => {
    stop();
    resized.disconnect();
    scheme.removeEventListener("change", draw);
    plot?.destroy();
    plot = null;
  };
}

function options(place, lines, step, onCursor) {
  const colours = coloursOf(place, ["var(--text-3)", "var(--line)", ...lines.map(({ colour }) => colour)]);
  const [ink, line, ...inks] = colours;
  const { format } = lines[0];
  const axis = { stroke: ink, font: "11px system-ui", ticks: { show: false }, gap: 6 };
  return {
    width: place.clientWidth,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    scales: { x: { time: true, range: (_, least, most) => [least - step / 2, most + step / 2] }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 26,
        space: 70,
        ...(step > HOUR && { incrs: DAYS }),
        values: (_, splits) => splits.map((time) => shortTimeOf(time, step)),
      },
      { ...axis, grid: { stroke: line, width: 1 }, size: widthOf, values: (_, splits) => splits.map(format), space: 44 },
    ],
    series: [{}, ...lines.map(({ isBar }, index) => seriesOf(inks[index], isBar))],
    hooks: { setCursor: [({ cursor: { idx, left } }) => onCursor(left >= 0 ? (idx ?? null) : null)] },
  };
}

// As wide as the longest label in the language of the page.
function widthOf(plot, labels, index) {
  if (!labels?.length) return 40;
  [plot.ctx.font] = plot.axes[index].font;
  return Math.ceil(Math.max(...labels.map((label) => plot.ctx.measureText(label).width)) / devicePixelRatio) + 14;
}

function seriesOf(colour, isBar) {
  if (isBar) return { stroke: colour, fill: colour, width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.7, 36], radius: 0.15 }) };
  return { stroke: colour, width: 2, spanGaps: true, points: { size: 5, fill: colour, width: 0 }, paths: uPlot.paths.linear() };
}

// Colours as a canvas takes them; custom properties and light-dark() are worked out by an element, a new one for each,
// because a colour that changes may do so slowly.
function coloursOf(place, colours) {
  return colours.map((colour) => {
    const probe = document.createElement("span");
    probe.style.color = colour;
    place.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  });
}

function timeOf(time, step) {
  const format = step < 24 * HOUR ? { dateStyle: "medium", timeStyle: "short" } : { dateStyle: "medium" };
  return new Intl.DateTimeFormat(language(), format).format(time * 1000);
}

function shortTimeOf(time, step) {
  const format = step <= HOUR ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" };
  return new Intl.DateTimeFormat(language(), format).format(time * 1000);
}
