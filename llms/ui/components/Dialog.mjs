// A native dialog: the focus stays inside, Escape and a press beside it close it, the focus goes back.
//
//   <${Dialog} title=${t("…")} onClose=${close}>…<//>
//
// It is open as long as it is rendered. head, foot: what stands beside the title, and below. label: instead of a title.
// isModal: false leaves the page below within reach of scripts and of whoever turns to its message field, which closes
// the dialog; by mouse and by Tab it is as closed off as the others.

import { t } from "../i18n/t.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { html, useId, useLayoutEffect, useRef } from "../view.mjs";
import { Icon } from "./Icon.mjs";
import { lazy } from "./lazy.mjs";
import { notices } from "./notices.mjs";

const Toasts = lazy(() => import("./Toasts.mjs"), "Toasts");
const STOPS = 'a[href], button:not(:disabled), input:not(:disabled), select, textarea, summary, [tabindex="0"]';

export function Dialog({ title = null, label, onClose, class: extra = "", head, foot, isModal = true, children, ...rest }) {
  const [element, isShown, id] = [useRef(null), useRef(false), useId()];
  useLayoutEffect(() => opened(element.current, isShown, isModal), []);
  // Those of the page lie below and cannot be reached; these stand in the same place.
  const hasToasts = notices.value.length > 0 || useThreadStore().undos.value.length > 0;
  // A close that comes from being taken off the page is nobody's wish.
  const onClosed = (event) => event.target === element.current && isShown.current && onClose();
  return html`${!isModal && html`<div class="dialog-scrim" onClick=${onClose} />`}
    <dialog
      ref=${element}
      class=${`dialog ${extra}`}
      closedby="any"
      aria-modal="true"
      aria-labelledby=${title === null ? undefined : id}
      aria-label=${label}
      onClose=${onClosed}
      onKeyDown=${isModal ? undefined : (event) => press(event, element.current, onClose)}
      ...${rest}
    >
      ${title !== null && html`<${Head} id=${id} title=${title} head=${head} onClose=${onClose} />`}
      ${children}${foot && html`<footer class="dialog-foot">${foot}</footer>`} ${hasToasts && html`<${Toasts} />`}
    </dialog>`;
}

function Head({ id, title, head, onClose }) {
  return html`<header class="dialog-head">
    <h2 class="dialog-title" id=${id}>${title}</h2>
    ${head}
    <button class="icon-button" type="button" aria-label=${t("action.close")} onClick=${onClose}><${Icon} name="x" /></button>
  </header>`;
}

// Opens a dialog; returns a function that closes it.
function opened(dialog, isShown, isModal) {
  const before = document.activeElement;
  if (isModal) dialog.showModal();
  else dialog.show();
  isShown.current = true;
  return () => {
    isShown.current = false;
    dialog.close();
    if (!document.activeElement || document.activeElement === document.body) before?.focus?.();
  };
}

// What the browser does for modal ones: Tab goes around inside, and Escape closes where `closedby` is not known.
function press(event, dialog, onClose) {
  if (event.key === "Escape" && !("closedBy" in dialog) && !event.defaultPrevented) onClose();
  if (event.key !== "Tab") return;
  const stops = [...dialog.querySelectorAll(STOPS)].filter((stop) => stop.tabIndex >= 0 && stop.checkVisibility());
  const [first, last] = event.shiftKey ? [stops.at(-1), stops[0]] : [stops[0], stops.at(-1)];
  if (document.activeElement !== last) return;
  event.preventDefault();
  first.focus();
}
