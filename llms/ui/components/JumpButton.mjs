// The way back to the end of the conversation, while something below is not in view.

import { html } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { anchor, writing } from "./conversation.mjs";
import { Icon } from "./Icon.mjs";

export function JumpButton() {
  const isAway = anchor.value?.isAway.value ?? false;
  if (!isAway) return null;
  const name = writing.value.size ? "run.jump" : "run.toEnd";
  return html`<button type="button" class="button small pill jump" onClick=${() => anchor.peek()?.toEnd()}>
    <${Icon} name="arrow-down" class="small" />${t(name)}
  </button>`;
}
