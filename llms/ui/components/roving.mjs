// One stop of the Tab key for a whole list; inside it arrows, Home and End move. Rows are found in the page itself, so
// a list of a thousand needs no state.

import { useLayoutEffect, useRef } from "../view.mjs";

const ROW = "[data-row]";
const STEPS = { ArrowDown: 1, ArrowUp: -1 };

// Returns {ref, onKeyDown, onFocusIn, "data-rows"} for the element around the rows; a row is any element with data-row.
// preferred: a selector of the row that Tab shall meet first.
export function useRoving(preferred) {
  const ref = useRef(null);
  useLayoutEffect(() => {
    const rows = new MutationObserver(() => settle(ref.current, preferred));
    rows.observe(ref.current, { childList: true, subtree: true });
    settle(ref.current, preferred);
    return () => rows.disconnect();
  }, []);
  return {
    ref,
    "data-rows": true,
    onKeyDown: (event) => move(event, ref.current),
    onFocusIn: ({ target }) => target.matches(ROW) && choose(ref.current, target),
  };
}

// Gives the focus to the neighbour of a row that is about to go.
export function leaveRow(row) {
  const rows = [...(row.closest("[data-rows]")?.querySelectorAll(ROW) ?? [])];
  (rows[rows.indexOf(row) + 1] ?? rows[rows.indexOf(row) - 1])?.focus();
}

// Gives the focus to the row of an id, once it is drawn.
export function focusRow(id) {
  requestAnimationFrame(() => document.querySelector(`[data-row="${CSS.escape(id)}"]`)?.focus());
}

function settle(list, preferred) {
  if (document.activeElement?.matches(ROW) && list.contains(document.activeElement)) return;
  choose(list, list.querySelector(`${ROW}${preferred}`) ?? list.querySelector(ROW));
}

function choose(list, row) {
  for (const other of list.querySelectorAll(`${ROW}[tabindex="0"]`)) if (other !== row) other.tabIndex = -1;
  if (row) row.tabIndex = 0;
}

function move(event, list) {
  if (event.ctrlKey || event.metaKey || event.altKey || !event.target.matches(ROW)) return;
  const rows = [...list.querySelectorAll(ROW)];
  const to = { Home: rows[0], End: rows.at(-1) }[event.key] ?? rows[rows.indexOf(event.target) + (STEPS[event.key] ?? NaN)];
  if (!to) return;
  event.preventDefault();
  to.focus();
}
