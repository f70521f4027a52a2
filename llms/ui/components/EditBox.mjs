// A message that is being changed where it stands.

import { html, useLayoutEffect, useRef, useState } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { settings } from "../settings.mjs";

// choices: [{label, run(text), isMain}]; the main one also answers to Enter as the composer does, or Ctrl Enter. onEnd() is
// called with each choice, too.
export function EditBox({ text: given, label, choices, onEnd }) {
  const [text, setText] = useState(given);
  const field = useRef(null);
  useLayoutEffect(() => {
    field.current.focus({ preventScroll: true });
    field.current.setSelectionRange(given.length, given.length);
    field.current.scrollIntoView({ block: "nearest" });
  }, []);
  const isEmpty = !text.trim();
  const main = choices.find((choice) => choice.isMain) ?? choices[0];
  const choose = ({ run }) => {
    run(text);
    onEnd();
  };
  const pressed = (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Escape") event.preventDefault(), onEnd();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey || (settings.sendOnEnter.peek() && !event.shiftKey && !given.includes("\n")))) {
      event.preventDefault();
      if (!isEmpty) choose(main);
    }
  };
  return html`<div class="edit-box">
    <textarea class="composer-input" dir="auto" aria-label=${label} ref=${field} value=${text} rows="1" onInput=${({ target }) => setText(target.value)} onKeyDown=${pressed} />
    <div class="button-row end">
      <button type="button" class="button small ghost" onClick=${onEnd}>${t("action.cancel")}</button>
      ${choices.map(
        (choice) => html`<button type="button" key=${choice.label} class=${`button small${choice.isMain ? " primary" : ""}`} disabled=${isEmpty} onClick=${() => choose(choice)}>
          ${choice.label}
        </button>`,
      )}
    </div>
  </div>`;
}
