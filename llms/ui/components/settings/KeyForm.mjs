// Where a provider's key is entered. It leaves the page once and is not kept in it.

import { t } from "../../i18n/t.mjs";
import { html, useId, useState } from "../../view.mjs";
import { Problem } from "./controls.mjs";
import { enterKey, forgetKey } from "./providerChanges.mjs";
import { server } from "./server.mjs";

// current: {state, ending, kept} of the provider's key, where it has one.
export function KeyForm({ name, current = null }) {
  const [id, keepId] = [useId(), useId()];
  const canKeep = server.value?.features?.keep_keys ?? false;
  const [wanted, setKept] = useState(null);
  const isKept = canKeep && (wanted ?? true);
  const [state, setState] = useState({ error: null, isBusy: false });
  const perform = async (change) => {
    setState({ error: null, isBusy: true });
    const error = await change().then(() => null, (problem) => problem);
    setState({ error, isBusy: false });
    return error === null;
  };
  const save = async (event) => {
    event.preventDefault();
    const field = document.getElementById(id);
    const key = field.value.trim();
    if (key && (await perform(() => enterKey(name, key, isKept ? "file" : "memory")))) field.value = "";
  };
  return html`<form class="field key-form" onSubmit=${save}>
    <label class="field-label" for=${id}>${t("provider.key")}</label>
    <div class="pull-row">
      <input class="input" type="password" id=${id} dir="ltr" autocomplete="off" spellcheck=${false} aria-describedby=${`${id}-hint`} />
      <button type="submit" class="button" disabled=${state.isBusy}>${t("action.save")}</button>
      ${current?.kept && html`<button
        type="button"
        class="button danger"
        disabled=${state.isBusy}
        onClick=${() => perform(() => forgetKey(name))}
      >
        ${t("provider.forget")}
      </button>`}
    </div>
    <p class="field-hint" id=${`${id}-hint`}>${t("provider.keyHint")}</p>
    ${canKeep &&
    html`<div class="check-row">
      <input type="checkbox" class="checkbox" id=${keepId} checked=${isKept} onChange=${(event) => setKept(event.currentTarget.checked)} />
      <label for=${keepId}>${t("provider.keepKey")}</label>
    </div>`}
    <${Problem} error=${state.error} />
  </form>`;
}
