// A native modal dialog: the browser keeps the focus inside, closes it by Escape, and gives the focus back.
//
//   <${Dialog} title=${t("…")} onClose=${close}>…<//>
//
// It is open as long as it is rendered. head, foot: what stands beside the title, and below. label: instead of a title.

import { t } from "../i18n/t.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { html, useId, useLayoutEffect, useRef } from "../view.mjs";
import { Icon } from "./Icon.mjs";
import { notices } from "./notices.mjs";
import { lazy } from "./lazy.mjs";
import { surface } from "./shell.mjs";

const Toasts = lazy(() => import("./Toasts.mjs"), "Toasts");

export function Dialog({ title = null, label, onClose, class: extra = "", head, foot, children, ...rest }) {
  const [element, isShown, id] = [useRef(null), useRef(false), useId()];
  useLayoutEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog.showModal();
    isShown.current = true;
    return () => {
      isShown.current = false;
      const next = surface.peek();
      dialog.close(); // gives the focus back, and the field that has it then closes what is open: the next dialog, too
      surface.value = next;
      if (!document.activeElement || document.activeElement === document.body) before?.focus?.();
    };
  }, []);
  // Those of the page lie below and cannot be reached; these stand in the same place.
  const hasToasts = notices.value.length > 0 || useThreadStore().undos.value.length > 0;
  // Escape, or a press beside it. A close that comes from being taken off the page is nobody's wish.
  const onClosed = (event) => event.target === element.current && isShown.current && onClose();
  return html`<dialog
    ref=${element}
    class=${`dialog ${extra}`}
    closedby="any"
    aria-labelledby=${title === null ? undefined : id}
    aria-label=${label}
    onClose=${onClosed}
    ...${rest}
  >
    ${title !== null &&
    html`<header class="dialog-head">
      <h2 class="dialog-title" id=${id}>${title}</h2>
      ${head}
      <button class="icon-button" type="button" aria-label=${t("action.close")} onClick=${onClose}><${Icon} name="x" /></button>
    </header>`}
    ${children}${foot && html`<footer class="dialog-foot">${foot}</footer>`}
    ${hasToasts && html`<${Toasts} />`}
  </dialog>`;
}
