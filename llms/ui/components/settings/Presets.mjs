// The library of presets: a system prompt with a model and parameters, under a name.

import { modelById } from "../../api/models.mjs";
import { t } from "../../i18n/t.mjs";
import { useThreadStore } from "../../threadStore.mjs";
import { html, useId, useState } from "../../view.mjs";
import { Icon } from "../Icon.mjs";
import { applyPreset } from "../presets.mjs";
import { closeSurface } from "../shell.mjs";
import { LongText, useFocus } from "./controls.mjs";
import { ModelField } from "./ModelDefaults.mjs";
import { ParameterFields } from "./ParameterFields.mjs";

const EMPTY = { name: "", systemPrompt: null, model: null, params: {} };

export function Panel() {
  const [edited, setEdited] = useState(null);
  const store = useThreadStore();
  if (edited) return html`<${PresetForm} preset=${edited} onEnd=${() => setEdited(null)} />`;
  const presets = store.presets.value;
  return html`<div class="panel-head">
      <p class="setting-hint">${t("preset.hint")}</p>
      <button
        type="button"
        class="button"
        onClick=${() => setEdited(EMPTY)}
      >
        <${Icon} name="plus" class="small" />${t("preset.new")}
      </button>
    </div>
    ${presets.length === 0 && html`<p class="empty-note">${t("preset.none")}</p>`}
    <ul>
      ${presets.map((preset) => html`<${PresetRow} key=${preset.id} preset=${preset} onEdit=${() => setEdited(preset)} />`)}
    </ul>`;
}

function PresetRow({ preset, onEdit }) {
  const use = () => {
    closeSurface();
    applyPreset(preset);
  };
  return html`<li class="setting">
    <div class="setting-text">
      <span class="setting-label" dir="auto">${preset.name}</span>
      <p class="setting-hint truncate" dir="auto">${noteOf(preset)}</p>
    </div>
    <div class="button-row">
      <button type="button" class="button small" onClick=${use}>${t("preset.use")}</button>
      ${iconButton("pencil", `${t("action.edit")}: ${preset.name}`, onEdit)}
      ${iconButton("trash-2", `${t("action.delete")}: ${preset.name}`, () => useThreadStore().deletePreset(preset.id))}
    </div>
  </li>`;
}

function iconButton(icon, label, run) {
  return html`<button
    type="button"
    class="icon-button small"
    aria-label=${label}
    title=${label}
    onClick=${run}
  >
    <${Icon} name=${icon} />
  </button>`;
}

function noteOf({ systemPrompt, model, params }) {
  const parameters = Object.entries(params).map(([name, value]) => `${name} ${value}`);
  return [model && (modelById(model)?.name ?? model), ...parameters, systemPrompt].filter(Boolean).join(" · ");
}

// Changes a preset, or makes one where it has no id yet.
export function PresetForm({ preset, onEnd }) {
  const [fields, setFields] = useState(preset);
  const [id, name] = [useId(), useFocus()];
  const change = (given) => setFields({ ...fields, ...given });
  const save = async (event) => {
    event.preventDefault();
    if (!fields.name.trim()) return name.current.focus();
    await useThreadStore().savePreset({ ...fields, systemPrompt: fields.systemPrompt || null });
    return onEnd();
  };
  return html`<form class="preset-form" onSubmit=${save}>
    <div class="field">
      <label class="field-label" for=${id}>${t("preset.name")}</label>
      <input
        class="input"
        id=${id}
        ref=${name}
        dir="auto"
        required
        maxlength="100"
        value=${fields.name}
        onInput=${(event) => change({ name: event.currentTarget.value })}
      />
    </div>
    <${LongText} label=${t("preset.prompt")} value=${fields.systemPrompt ?? ""} onInput=${(systemPrompt) => change({ systemPrompt })} />
    <${ModelField} id=${fields.model} label=${t("settings.model")} none=${t("preset.anyModel")} onChange=${(model) => change({ model })} />
    <${ParameterFields} values=${fields.params} onChange=${(params) => change({ params })} />
    <div class="button-row end form-foot">
      <button type="button" class="button" onClick=${onEnd}>${t("action.cancel")}</button>
      <button type="submit" class="button primary">${t("action.save")}</button>
    </div>
  </form>`;
}
