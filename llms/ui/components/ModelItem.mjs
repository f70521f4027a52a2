// One model in the list: what it is called, what it can do, what it costs, and what it is doing on this machine.

import { bytes, compact, money } from "../i18n/format.mjs";
import { t } from "../i18n/t.mjs";
import { toggleFavourite } from "../api/models.mjs";
import { settings } from "../settings.mjs";
import { html } from "../view.mjs";
import { Icon } from "./Icon.mjs";

const STATES = {
  loaded: { dot: "good", name: "model.loaded" },
  loading: { dot: "warn", name: "model.loading" },
  failed: { dot: "bad", name: "model.unavailable" },
  unavailable: { dot: "bad", name: "model.unavailable" },
};

// option: attributes of its place in the list.
export function ModelItem({ model, isSelected, option }) {
  const isFavourite = settings.favourites.value.includes(model.id);
  const star = (event) => {
    event.stopPropagation();
    toggleFavourite(settings.favourites, model.id);
  };
  return html`<div class="palette-item model-item" data-model=${model.id} title=${model.problem ?? model.id} ...${option}>
    <span class="model-star" data-on=${isFavourite} title=${t(isFavourite ? "model.unfavourite" : "model.favourite")} onClick=${star}>
      <${Icon} name="star" class=${`small ${isFavourite ? "filled" : ""}`} />
    </span>
    <span class="palette-text">
      <span class="palette-label">${model.name} ${model.label && model.label !== model.name && html`<span class="badge">${model.label}</span>`}</span>
      <span class="palette-note">${factsOf(model).join(" · ")}</span>
    </span>
    <${Abilities} model=${model} />
    <${State} state=${model.state} />
    ${isSelected && html`<${Icon} name="check" class="small model-check" />`}
    ${isFavourite && html`<span class="visually-hidden">${t("model.favourites")}</span>`}
  </div>`;
}

export function factsOf({ contextWindow, price, quantization, sizeBytes, problem }) {
  if (problem) return [problem];
  return [
    contextWindow && t("model.context", { size: compact(contextWindow) }),
    price && (price.input || price.output ? t("model.price", { input: money(price.input), output: money(price.output) }) : t("model.free")),
    quantization,
    sizeBytes && bytes(sizeBytes),
  ].filter(Boolean);
}

function Abilities({ model }) {
  const { capabilities, hearsAudio, seesImages } = model;
  const has = [
    [seesImages, "image", "model.images"],
    [hearsAudio, "audio-lines", "model.audio"],
    [capabilities.has("tools") || capabilities.has("function_calling"), "wrench", "model.tools"],
    [capabilities.has("reasoning") || capabilities.has("thinking"), "brain", "model.reasoning"],
  ];
  return html`<span class="model-abilities">
    ${has.filter(([is]) => is).map(([, icon, name]) => html`<span
      key=${icon}
      title=${t(name)}
    >
      <${Icon} name=${icon} class="small" /><span class="visually-hidden">${t(name)}</span>
    </span>`)}
  </span>`;
}

function State({ state }) {
  const known = STATES[state];
  if (!known) return null;
  return html`<span class="model-state" title=${t(known.name)}>
    ${state === "loading" ? html`<span class="spinner" />` : html`<span class=${`dot ${known.dot}`} />`}<span class="visually-hidden">${t(known.name)}</span>
  </span>`;
}
