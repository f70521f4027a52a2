// What one chat is told and how it is answered: system prompt, parameters, streaming; and presets to take or to make.

import { t } from "../i18n/t.mjs";
import { settings } from "../settings.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { html, useState } from "../view.mjs";
import { Dialog } from "./Dialog.mjs";
import { Icon } from "./Icon.mjs";
import { Menu } from "./Menu.mjs";
import { currentModel, fresh, setStreams, streams } from "./conversation.mjs";
import { withSheet } from "./lazy.mjs";
import { applyPreset } from "./presets.mjs";
import { LongText, Toggle, Heading } from "./settings/controls.mjs";
import { ParameterFields } from "./settings/ParameterFields.mjs";
import { PresetForm } from "./settings/Presets.mjs";

await withSheet("settings");

export function ThreadSettings({ onClose }) {
  const [preset, setPreset] = useState(null);
  const store = useThreadStore();
  const thread = store.current.value;
  const { systemPrompt = null, params = {} } = thread ?? fresh.value;
  const change = (fields) => (thread ? store.updateThread(thread.id, fields) : (fresh.value = { ...fresh.peek(), ...fields }));
  if (preset) {
    return html`<${Dialog} class="thread-settings" title=${t("preset.new")} onClose=${onClose}>
      <div class="dialog-body"><${PresetForm} preset=${preset} onEnd=${() => setPreset(null)} /></div>
    <//>`;
  }
  const keep = () => setPreset({ name: "", systemPrompt, model: thread?.model ?? currentModel.peek()?.id ?? null, params });
  return html`<${Dialog} class="thread-settings" title=${t("thread.settings")} onClose=${onClose}>
    <div class="dialog-body">
      <${PresetRow} onKeep=${keep} />
      <${LongText}
        label=${t("thread.systemPrompt")}
        hint=${t("thread.systemPromptHint")}
        value=${systemPrompt ?? ""}
        placeholder=${settings.systemPrompt.value}
        onInput=${(text) => change({ systemPrompt: text || null })}
      />
      <${Toggle} label=${t("composer.streaming")} hint=${t("settings.streamHint")} isOn=${streams.value} onChange=${setStreams} />
      <${Heading} text=${t("params.title")} />
      <${ParameterFields} values=${params} inherited=${settings.parameters.value} onChange=${(values) => change({ params: values })} />
    </div>
  <//>`;
}

function PresetRow({ onKeep }) {
  const [source, setSource] = useState(null);
  const presets = useThreadStore().presets.value;
  const items = presets.map((preset) => ({ label: preset.name, icon: "notebook-pen", run: () => applyPreset(preset) }));
  return html`<div class="button-row">
    <button
      type="button"
      class="button small"
      aria-haspopup="menu"
      disabled=${!presets.length}
      onClick=${(event) => setSource(event.currentTarget)}
    >
      <${Icon} name="notebook-pen" class="small" />${t("preset.use")}<${Icon} name="chevron-down" class="small" />
    </button>
    <button type="button" class="button small" onClick=${onKeep}><${Icon} name="plus" class="small" />${t("preset.keep")}</button>
    ${source && html`<${Menu} items=${items} source=${source} label=${t("preset.use")} onClose=${() => setSource(null)} />`}
  </div>`;
}
