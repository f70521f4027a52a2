// A small bar beside text that is selected in the conversation: quote it in the next message.

import { html, useEffect, useRef, useState } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { Icon } from "./Icon.mjs";
import { copyText } from "./copying.mjs";

const GAP = 8; // pixels between text and bar

// within(): the element whose text may be quoted; onQuote(text).
export function SelectionQuote({ within, onQuote }) {
  const [place, setPlace] = useState(null);
  const bar = useRef(null);
  useEffect(() => {
    const look = () => setPlace(placeOf(document.getSelection(), within()));
    const leaving = new AbortController();
    const options = { signal: leaving.signal, passive: true };
    for (const name of ["pointerup", "keyup"]) document.addEventListener(name, () => setTimeout(look, 0), options);
    document.addEventListener("selectionchange", () => document.getSelection().isCollapsed && setPlace(null), options);
    document.addEventListener("scroll", () => setPlace(null), { ...options, capture: true });
    return () => leaving.abort();
  }, []);
  useEffect(() => {
    if (!place || !bar.current) return;
    const { offsetWidth, offsetHeight } = bar.current;
    const middle = Math.min(innerWidth - offsetWidth - GAP, Math.max(GAP, place.middle - offsetWidth / 2));
    const top = place.top - offsetHeight - GAP;
    Object.assign(bar.current.style, { left: `${middle}px`, top: `${top < GAP ? place.bottom + GAP : top}px` });
  }, [place]);
  if (!place) return null;
  const done = (act) => () => {
    act(place.text);
    document.getSelection().removeAllRanges();
    setPlace(null);
  };
  return html`<div class="selection-bar" ref=${bar} role="toolbar" aria-label=${t("message.quote")} onPointerDown=${(event) => event.preventDefault()}>
    <button type="button" class="button small ghost" onClick=${done(onQuote)}><${Icon} name="text-quote" class="small" />${t("message.quote")}</button>
    <button type="button" class="button small ghost" onClick=${done(copyText)}><${Icon} name="copy" class="small" />${t("action.copy")}</button>
  </div>`;
}

function placeOf(selection, root) {
  if (!root || selection.isCollapsed || !selection.rangeCount) return null;
  const range = selection.getRangeAt(0);
  const text = selection.toString().trim();
  if (!text || !root.contains(range.commonAncestorContainer)) return null;
  if (document.activeElement?.matches("textarea, input")) return null;
  const { left, width, top, bottom } = range.getBoundingClientRect();
  return { text, middle: left + width / 2, top, bottom };
}
