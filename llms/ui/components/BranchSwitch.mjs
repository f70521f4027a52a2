// "< 2/3 >": which of several versions of a message is shown, and the way to the others.

import { html } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { number } from "../i18n/format.mjs";
import { Icon } from "./Icon.mjs";

// siblings: ids of all versions in order; shown: the id of this one; onShow(id).
export function BranchSwitch({ siblings, shown, onShow }) {
  if (siblings.length < 2) return null;
  const place = siblings.indexOf(shown);
  const total = siblings.length;
  const step = (by, name, icon) => html`<button
    type="button"
    class="icon-button small"
    aria-label=${t(name)}
    disabled=${siblings[place + by] === undefined}
    onClick=${() => onShow(siblings[place + by])}
  >
    <${Icon} name=${icon} class="small" />
  </button>`;
  return html`<div class="branch" role="group" aria-label=${t("branch.position", { index: place + 1, total })}>
    ${step(-1, "branch.previous", "chevron-left")}
    <span aria-hidden="true">${number(place + 1)}/${number(total)}</span>
    ${step(1, "branch.next", "chevron-right")}
  </div>`;
}
