// What an answer cost, in US dollars. A price is {input, output, cachedInput} for a million tokens, see api/model.mjs.

import { figuresOf } from "./usage.mjs";

const MILLION = 1_000_000;

// null where the usage or the price is not known.
export function costOf(usage, price) {
  const figures = figuresOf(usage);
  if (!figures || !price) return null;
  const cached = Math.min(figures.cached, figures.input);
  const input = (figures.input - cached) * price.input + cached * (price.cachedInput ?? price.input);
  return (input + figures.output * price.output) / MILLION;
}
