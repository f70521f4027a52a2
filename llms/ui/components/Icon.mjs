// <${Icon} name="copy" /> draws one symbol of icons.svg; it is decoration, the control around it carries the label.

import { html } from "../view.mjs";

const SPRITE = new URL("../icons.svg", import.meta.url).pathname;

export function Icon({ name, class: extra = "" }) {
  return html`<svg class=${`icon ${extra}`} data-icon=${name} aria-hidden="true" focusable="false">
    <use href=${`${SPRITE}#${name}`} />
  </svg>`;
}
