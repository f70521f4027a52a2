// The controls of the settings: a text at the start, the control at its end. `field` is a signal.

import { t } from "../../i18n/t.mjs";
import { html, useId, useLayoutEffect, useRef } from "../../view.mjs";

// A ref of something that takes the focus when it appears.
export function useFocus() {
  const ref = useRef(null);
  useLayoutEffect(() => ref.current.focus(), []);
  return ref;
}

export function Heading({ text }) {
  return html`<h3 class="settings-heading">${text}</h3>`;
}

// A real checkbox that looks like a switch. isOn, onChange(isOn) instead of field, where it is no setting.
export function Toggle({ label, hint, field, isOn = field?.value, onChange = (value) => (field.value = value), disabled = false }) {
  const id = useId();
  return html`<div class="setting">
    <div class="setting-text">
      <label class="setting-label" for=${id}>${label}</label>
      ${hint && html`<p class="setting-hint" id=${`${id}-hint`}>${hint}</p>`}
    </div>
    <input
      id=${id}
      class="switch"
      type="checkbox"
      checked=${isOn}
      disabled=${disabled}
      aria-describedby=${hint ? `${id}-hint` : undefined}
      onChange=${(event) => onChange(event.currentTarget.checked)}
    />
  </div>`;
}

// One of a few, side by side. choices: [[value, label]].
export function Choice({ label, hint, field, choices }) {
  const id = useId();
  return html`<div class="setting">
    <div class="setting-text">
      <span class="setting-label" id=${id}>${label}</span>
      ${hint && html`<p class="setting-hint">${hint}</p>`}
    </div>
    <fieldset class="segmented" aria-labelledby=${id}>
      ${choices.map(
        ([value, name]) => html`<label key=${String(value)}>
          <input type="radio" name=${id} checked=${field.value === value} onChange=${() => (field.value = value)} />${name}
        </label>`,
      )}
    </fieldset>
  </div>`;
}

// One of many. choices: [[value, label]], values are texts.
export function Select({ label, hint, value, onChange, choices }) {
  const id = useId();
  return html`<div class="setting">
    <div class="setting-text">
      <label class="setting-label" for=${id}>${label}</label>
      ${hint && html`<p class="setting-hint">${hint}</p>`}
    </div>
    <select class="select" id=${id} value=${value} onChange=${(event) => onChange(event.currentTarget.value)}>
      ${choices.map(([each, name]) => html`<option key=${each} value=${each} selected=${each === value}>${name}</option>`)}
    </select>
  </div>`;
}

// A text of several lines, kept while it is typed.
export function LongText({ label, hint, value, onInput, placeholder = "", rows = 4 }) {
  const id = useId();
  return html`<div class="setting stacked">
    <div class="setting-text">
      <label class="setting-label" for=${id}>${label}</label>
      ${hint && html`<p class="setting-hint" id=${`${id}-hint`}>${hint}</p>`}
    </div>
    <textarea
      class="textarea"
      id=${id}
      dir="auto"
      rows=${rows}
      placeholder=${placeholder}
      aria-describedby=${hint ? `${id}-hint` : undefined}
      value=${value}
      onInput=${(event) => onInput(event.currentTarget.value)}
    />
  </div>`;
}

// Something to press.
export function Action({ label, hint, name, run, isDanger = false, disabled = false }) {
  return html`<div class="setting">
    <div class="setting-text">
      <span class="setting-label">${label}</span>
      ${hint && html`<p class="setting-hint">${hint}</p>`}
    </div>
    <button type="button" class=${`button ${isDanger ? "danger" : ""}`} disabled=${disabled} onClick=${run}>${name}</button>
  </div>`;
}

// An error of the server, where it happened.
export function Problem({ error }) {
  return error ? html`<p class="field-error" role="alert">${error.message ?? t("error.unknown")}</p>` : null;
}
