// The parameters of a request, each empty where the model's own default counts.

import { t } from "../../i18n/t.mjs";
import { PARAMETERS, isValidParameter } from "../../settings.mjs";
import { html, useId, useState } from "../../view.mjs";

const FIRST = ["temperature", "top_p", "max_tokens", "stop", "seed", "reasoning_effort"];
const BY_NAME = new Map(PARAMETERS.map((parameter) => [parameter.name, parameter]));
const REST = PARAMETERS.map(({ name }) => name).filter((name) => !FIRST.includes(name));
const CONTROLS = { number: NumberField, integer: NumberField, choice: ChoiceField, texts: TextsField };

// values: {name: value}; onChange(values) with valid ones only. inherited: values that count where one is empty.
export function ParameterFields({ values, onChange, inherited = {} }) {
  const field = (name) => {
    const change = (value) => onChange(value === null ? without(values, name) : { ...values, [name]: value });
    const parameter = BY_NAME.get(name);
    return html`<${Field} key=${name} parameter=${parameter} value=${values[name] ?? null} usual=${inherited[name]} onChange=${change} />`;
  };
  const isOpen = REST.some((name) => name in values);
  return html`${FIRST.map(field)}
    <details class="disclosure" open=${isOpen}>
      <summary>${t("params.more")}</summary>
      ${REST.map(field)}
    </details>`;
}

function Field({ parameter, value, usual, onChange }) {
  const id = useId();
  const [isWrong, setWrong] = useState(false);
  const { name, kind, min, max } = parameter;
  const change = (given) => {
    const isFine = given === null || isValidParameter(name, given);
    setWrong(!isFine);
    if (isFine) onChange(given);
  };
  const attributes = { id, "aria-invalid": isWrong ? "true" : undefined, "aria-describedby": `${id}-hint` };
  return html`<div class="setting">
    <div class="setting-text">
      <label class="setting-label" for=${id}>${t(KEYS[name])}</label>
      <p class="setting-hint" id=${`${id}-hint`}>
        ${isWrong ? html`<span class="field-error">${t("params.invalid", { min, max })}</span>` : HINTS[name] && t(HINTS[name])}
      </p>
    </div>
    <${CONTROLS[kind]}
      parameter=${parameter}
      value=${value}
      placeholder=${placeholder(usual)}
      attributes=${attributes}
      onChange=${change}
    />
  </div>`;
}

function NumberField({ parameter: { min, max, step, kind }, value, placeholder: usual, attributes, onChange }) {
  const read = ({ currentTarget: { value: text } }) => onChange(text === "" ? null : Number(text));
  return html`<input
    class="input number"
    type="number"
    inputmode=${kind === "integer" ? "numeric" : "decimal"}
    min=${min}
    max=${max}
    step=${step}
    placeholder=${usual}
    value=${value ?? ""}
    onChange=${read}
    ...${attributes}
  />`;
}

function ChoiceField({ parameter: { values }, value, placeholder: usual, attributes, onChange }) {
  return html`<select
    class="select"
    value=${value ?? ""}
    onChange=${(event) => onChange(event.currentTarget.value || null)}
    ...${attributes}
  >
    <option value="">${usual}</option>
    ${values.map((each) => html`<option
      key=${each}
      value=${each}
      selected=${each === value}
    >
      ${EFFORTS[each] ? t(EFFORTS[each]) : each}
    </option>`)}
  </select>`;
}

// One a line; "\n" inside is written as such.
function TextsField({ parameter: { most }, value, placeholder: usual, attributes, onChange }) {
  const read = ({ currentTarget: { value: text } }) => {
    const lines = text.split("\n").map((line) => line.replaceAll("\\n", "\n")).filter(Boolean);
    onChange(lines.length ? lines.slice(0, most) : null);
  };
  const shown = (value ?? []).map((line) => line.replaceAll("\n", "\\n")).join("\n");
  return html`<textarea class="textarea code stop-field" rows="2" placeholder=${usual} value=${shown} onChange=${read} ...${attributes} />`;
}

const KEYS = {
  temperature: "params.temperature",
  top_p: "params.topP",
  top_k: "params.topK",
  min_p: "params.minP",
  max_tokens: "params.maxTokens",
  seed: "params.seed",
  stop: "params.stop",
  frequency_penalty: "params.frequencyPenalty",
  presence_penalty: "params.presencePenalty",
  repeat_penalty: "params.repeatPenalty",
  reasoning_effort: "params.reasoningEffort",
};
const HINTS = {
  temperature: "params.temperatureHint",
  top_p: "params.topPHint",
  max_tokens: "params.maxTokensHint",
  seed: "params.seedHint",
  stop: "params.stopHint",
};
const EFFORTS = { low: "params.low", medium: "params.medium", high: "params.high" };

function placeholder(usual) {
  if (usual === undefined) return t("params.default");
  return Array.isArray(usual) ? usual.join(", ") : String(usual);
}

function without(values, name) {
  const { [name]: _, ...rest } = values;
  return rest;
}
