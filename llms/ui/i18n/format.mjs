// Numbers, sizes, times and money as the language of the page writes them.

import { language } from "./t.mjs";

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
const SPANS = [
  ["year", 365 * 86_400],
  ["month", 30 * 86_400],
  ["week", 7 * 86_400],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const made = new Map();

function formatter(Kind, options) {
  const key = `${language()} ${Kind.name} ${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new Kind(language(), options));
  return made.get(key);
}

/** 12345.6 -> "12,345.6" */
export function number(value, options = {}) {
  return formatter(Intl.NumberFormat, options).format(value);
}

/** 12345 -> "12.3K": for counts of tokens. */
export function compact(value) {
  return number(value, { notation: "compact", maximumFractionDigits: 1 });
}

/** 0.42 -> "42%" */
export function percent(share, digits = 0) {
  return number(share, { style: "percent", maximumFractionDigits: digits });
}

/** Seconds -> "310 ms", "4.2 s", "2 min 5 s". */
export function duration(seconds) {
  const unit = (value, name, digits = 0) =>
    number(value, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: digits });
  if (seconds < 0.9995) return unit(Math.round(seconds * 1000), "millisecond");
  if (seconds < 9.95) return unit(seconds, "second", 1);
  if (seconds < 59.5) return unit(Math.round(seconds), "second");
  const whole = Math.round(seconds);
  const rest = whole % 60;
  return unit(Math.floor(whole / 60), "minute") + (rest ? ` ${unit(rest, "second")}` : "");
}

/** Bytes, counted in thousands -> "4.9 GB". */
export function bytes(count) {
  const step = count < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** step;
  const maximumFractionDigits = step === 0 || value >= 100 ? 0 : 1;
  return number(value, { style: "unit", unit: UNITS[step], unitDisplay: "short", maximumFractionDigits });
}

/** US dollars -> "$4.18", "$0.0004": small sums keep two digits that say something. */
export function money(amount) {
  const small = amount > 0 && amount < 0.995;
  const digits = small ? { maximumSignificantDigits: 2 } : { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  return number(amount, { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol", ...digits });
}

/** Milliseconds since 1970 -> "3 days ago". */
export function ago(then, now = Date.now()) {
  const seconds = (then - now) / 1000;
  const [unit, size] = SPANS.find(([, span]) => Math.abs(seconds) >= span) ?? ["second", 1];
  return formatter(Intl.RelativeTimeFormat, { numeric: "auto" }).format(Math.round(seconds / size), unit);
}

/** Milliseconds since 1970 -> "20 Nov 2026, 09:30". */
export function moment(when) {
  return formatter(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "short" }).format(when);
}
