// What the usage page shows, worked out of GET /api/usage. No drawing here.

const DAY = 86_400;

// Ranges that can be looked at: seconds back from now, and the step of a chart.
export const RANGES = [
  { name: "hours", seconds: DAY, step: 3600 },
  { name: "week", seconds: 7 * DAY, step: 6 * 3600 },
  { name: "month", seconds: 30 * DAY, step: DAY },
  { name: "year", seconds: 364 * DAY, step: 7 * DAY },
];

// The fields of the request for a range that ends now; steps begin at local midnight where they can.
export function queryOf({ seconds, step }, group, now = Date.now()) {
  const midnight = new Date(now).setHours(0, 0, 0, 0) / 1000;
  const end = midnight + Math.ceil((now / 1000 - midnight) / step) * step;
  return { from: end - seconds, to: end, step, group };
}

// Columns over all steps of a report: {times, [name]: values}. Sums are 0 where nothing was, measures null.
export function columnsOf({ from, to, step, series }, sums, measures = []) {
  const count = Math.max(1, Math.round((to - from) / step));
  const times = Array.from({ length: count }, (_, index) => from + index * step);
  const rows = new Array(count).fill(null);
  for (const point of series) rows[Math.min(count - 1, Math.max(0, Math.floor((point.time - from) / step)))] = point;
  const column = (name, empty) => rows.map((row) => row?.[name] ?? empty);
  return Object.fromEntries([["times", times], ...sums.map((name) => [name, column(name, 0)]), ...measures.map((name) => [name, column(name, null)])]);
}

// US dollars as the server reckons them; null where it knows no price.
export function costOf({ cost }) {
  return typeof cost === "number" ? cost : null;
}

export function tokensOf({ prompt_tokens: input, completion_tokens: output }) {
  return input + output;
}
