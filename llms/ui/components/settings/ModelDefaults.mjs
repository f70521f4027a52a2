// What new chats begin with, where they don't say otherwise: model, system prompt, parameters.

import { modelById, models } from "../../api/models.mjs";
import { t } from "../../i18n/t.mjs";
import { settings } from "../../settings.mjs";
import { html } from "../../view.mjs";
import { Icon } from "../Icon.mjs";
import { chooseModel } from "../ModelPicker.mjs";
import { Heading, LongText } from "./controls.mjs";
import { ParameterFields } from "./ParameterFields.mjs";

export function Panel() {
  const { systemPrompt, parameters } = settings;
  return html`<p class="setting-hint">${t("settings.modelHint")}</p>
    <${ModelField}
      id=${settings.model.value}
      label=${t("model.default")}
      none=${t("model.first")}
      onChange=${(id) => (settings.model.value = id)}
    />
    <${LongText}
      label=${t("thread.systemPrompt")}
      hint=${t("thread.systemPromptHint")}
      value=${systemPrompt.value}
      onInput=${(value) => (systemPrompt.value = value)}
    />
    <${Heading} text=${t("params.title")} />
    <${ParameterFields} values=${parameters.value} onChange=${(values) => (parameters.value = values)} />`;
}

// A model, or none of its own. none: what counts then.
export function ModelField({ id, label, none, onChange }) {
  const name = id === null ? none : (modelById(id)?.name ?? id);
  const open = ({ currentTarget }) => chooseModel(currentTarget, { selected: id, onChoose: (model) => onChange(model.id) });
  return html`<div class="setting">
    <div class="setting-text"><span class="setting-label">${label}</span></div>
    <div class="button-row">
      <button type="button" class="button" aria-label=${`${label}: ${name}`} disabled=${!models.value.length} onClick=${open}>
        <span class="truncate">${name}</span><${Icon} name="chevron-down" class="small" />
      </button>
      ${id !== null &&
      html`<button
        type="button"
        class="icon-button small"
        aria-label=${t("action.reset")}
        onClick=${() => onChange(null)}
      >
        <${Icon} name="x" />
      </button>`}
    </div>
  </div>`;
}
