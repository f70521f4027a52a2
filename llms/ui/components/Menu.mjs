// A menu beside the button that opened it: arrow keys move, Escape and a click elsewhere close it.

import { html, useLayoutEffect, useRef } from "../view.mjs";
import { Icon } from "./Icon.mjs";

// items: [{label, icon, run, isDanger, hint} or null for a line]; source: the button.
export function Menu({ items, source, label, class: extra = "", onClose }) {
  const place = useRef(null);
  useLayoutEffect(() => {
    const menu = place.current;
    menu.showPopover({ source });
    menu.querySelector("button")?.focus();
  }, []);
  const toggled = ({ newState }) => newState === "closed" && onClose();
  const choose = (item) => {
    place.current.hidePopover();
    item.run(source);
  };
  return html`<div class=${`menu ${extra}`} popover="auto" role="menu" aria-label=${label} ref=${place} onToggle=${toggled} onKeyDown=${move}>
    ${items.map((item, index) =>
      item === null
        ? html`<hr class="menu-separator" key=${index} />`
        : html`<button type="button" role="menuitem" tabindex="-1" class=${`menu-item${item.isDanger ? " danger" : ""}`} key=${index} onClick=${() => choose(item)}>
            <${Icon} name=${item.icon} class="small" />
            <span class="truncate">${item.label}</span>
            ${item.hint && html`<span class="menu-hint">${item.hint}</span>`}
          </button>`,
    )}
  </div>`;
}

const STEPS = { ArrowDown: (place) => place + 1, ArrowUp: (place) => place - 1, Home: () => 0, End: () => -1 };

function move(event) {
  const step = STEPS[event.key];
  if (!step) return;
  event.preventDefault();
  const buttons = [...event.currentTarget.querySelectorAll("button:not(:disabled)")];
  buttons.at(step(buttons.indexOf(event.target)) % buttons.length)?.focus();
}
