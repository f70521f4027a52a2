// A text with the words that were looked for marked in it.

import { html } from "../view.mjs";

// marks: [[start, end]] in order, without overlap.
export function Marked({ text, marks }) {
  const [pieces, at] = marks.reduce(
    ([done, from], [start, end]) => [[...done, text.slice(from, start), html`<mark>${text.slice(start, end)}</mark>`], end],
    [[], 0],
  );
  return [...pieces, text.slice(at)];
}
