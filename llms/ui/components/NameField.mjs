// A name that is being changed where it stands: Enter or leaving keeps it, Escape does not.

import { html, useLayoutEffect, useRef } from "../view.mjs";

const LONGEST = 200;

// onName(name) for another one that is not empty; onEnd(isByKey) in any case, first.
export function NameField({ name, label, onName, onEnd }) {
  const [field, isOver] = [useRef(null), useRef(false)];
  useLayoutEffect(() => field.current.select(), []);
  const end = (isKept, isByKey) => {
    if (isOver.current) return;
    isOver.current = true;
    const given = field.current.value.trim();
    onEnd(isByKey);
    if (isKept && given && given !== name) onName(given);
  };
  const press = (event) => {
    event.stopPropagation();
    if (event.isComposing) return;
    if (event.key === "Enter" || event.key === "Escape") end(event.key === "Enter", true);
  };
  return html`<input
    ref=${field}
    class="thread-rename"
    type="text"
    dir="auto"
    maxlength=${LONGEST}
    aria-label=${label}
    value=${name}
    onKeyDown=${press}
    onBlur=${() => end(true, false)}
  />`;
}
