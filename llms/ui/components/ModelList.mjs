// All models beside the control that asked for one: search, favourites, groups by provider with their health, and ways
// to get more.

import { listProviders } from "../api/providers.mjs";
import { groupModels, models, modelsState, refreshModels, toggleFavourite } from "../api/models.mjs";
import { t } from "../i18n/t.mjs";
import { settings } from "../settings.mjs";
import { createPortal, html, useEffect, useLayoutEffect, useRef, useState } from "../view.mjs";
import { Icon } from "./Icon.mjs";
import { ModelItem } from "./ModelItem.mjs";
import { withSheet } from "./lazy.mjs";
import { useListbox } from "./listbox.mjs";
import { openSurface, picker } from "./shell.mjs";

await withSheet("picker");

const AGAIN = 2500; // milliseconds, while a model is being loaded

export function ModelList() {
  const { source, onChoose, selected, isUp = false } = picker.value;
  const [query, setQuery] = useState("");
  const place = useRef(null);
  useLayoutEffect(() => place.current.showPopover({ source }), []);
  useFreshModels();
  const sick = useSickProviders();
  const groups = groupModels(models.value, { query, favourites: settings.favourites.value });
  const flat = groups.flatMap((group) => group.models);
  const choose = (index) => {
    place.current.hidePopover();
    onChoose(flat[index]);
  };
  const first = query ? 0 : Math.max(0, flat.findIndex(({ id }) => id === selected));
  const box = useListbox({ count: flat.length, onChoose: choose, renewed: query, first });
  const press = (event) => isMark(event) && flat[box.active] && mark(event, flat[box.active].id);
  const list = html`<div
    class=${`popover picker ${isUp ? "up" : ""}`}
    popover="auto"
    role="dialog"
    aria-label=${t("model.choose")}
    ref=${place}
    onToggle=${closed}
    onKeyDown=${press}
  >
    <${Search} query=${query} onQuery=${setQuery} field=${box.field} />
    <div class="palette-list" aria-label=${t("model.choose")} ...${box.list}>
      ${drawn(groups, { box, selected, sick })}
    </div>
    ${flat.length === 0 && html`<${Nothing} query=${query} />`}
    <${Foot} sick=${sick} />
  </div>`;
  return beside(source, list);
}

// What is outside of an open dialog cannot be reached: a list for one is drawn in it.
function beside(source, list) {
  const dialog = source.closest("dialog");
  return dialog ? createPortal(list, dialog) : list;
}

function Search({ query, onQuery, field }) {
  return html`<input
    class="palette-input"
    type="text"
    autofocus=${hasKeys()}
    aria-label=${t("model.search")}
    placeholder=${t("model.search")}
    value=${query}
    onInput=${(event) => onQuery(event.currentTarget.value)}
    ...${field}
  />`;
}

function drawn(groups, { box, selected, sick }) {
  let index = 0;
  return groups.map(({ provider, models: members }, place) => {
    const problem = sick.get(provider)?.problem;
    return html`<div role="group" key=${provider} aria-label=${nameOf(provider)}>
      ${(groups.length > 1 || provider) &&
      html`<div class="palette-group" aria-hidden="true">
        ${provider === "favourites" && html`<${Icon} name="star" class="small" />`}<span class="truncate">${nameOf(provider)}</span>
        ${problem && html`<span class="badge bad truncate" title=${problem}>${problem}</span>`}
      </div>`}
      ${members.map((model) => html`<${ModelItem}
        key=${`${place} ${model.id}`}
        model=${model}
        isSelected=${model.id === selected}
        option=${box.option(index++)}
      />`)}
    </div>`;
  });
}

function nameOf(provider) {
  if (provider === "favourites") return t("model.favourites");
  return provider ?? t("model.named");
}

function Nothing({ query }) {
  const { state, problem } = modelsState.value;
  const text = () => {
    if (query) return t("model.noMatch", { query });
    if (state === "failed") return problem.message;
    return state === "read" ? `${t("model.none")}. ${t("model.noneHint")}` : t("app.loading");
  };
  return html`<p class="empty-note" role="status">${text()}</p>`;
}

// Providers that bring nothing for now, and the ways to more models.
function Foot({ sick }) {
  const silent = [...sick.values()].filter(({ name }) => !models.value.some(({ provider }) => provider === name));
  const leave = (name, details) => () => openSurface(name, details);
  return html`<div class="picker-foot">
    ${silent.slice(0, 3).map(
      ({ name, problem }) => html`<button
        type="button"
        class="menu-item"
        key=${name}
        onClick=${leave("settings", { section: "providers" })}
      >
        <span class="dot bad" /><span>${name}</span><span class="menu-hint truncate">${problem}</span>
      </button>`,
    )}
    <button
      type="button"
      class="menu-item"
      onClick=${leave("settings", { section: "providers" })}
    >
      <${Icon} name="plug" />${t("provider.add")}
    </button>
    <button type="button" class="menu-item" onClick=${leave("pull")}><${Icon} name="download" />${t("pull.title")}</button>
    <p class="picker-hint"><kbd class="kbd">Alt F</kbd>${t("model.favourite")}</p>
  </div>`;
}

// Where there are keys; elsewhere a field with the focus brings up a keyboard that covers the list.
function hasKeys() {
  return matchMedia("(pointer: fine)").matches;
}

// Alt+F; by its place, because a Mac writes another sign with it.
function isMark({ altKey, code }) {
  return altKey && code === "KeyF";
}

function mark(event, id) {
  event.preventDefault();
  toggleFavourite(settings.favourites, id);
}

function closed({ newState }) {
  if (newState === "closed") picker.value = null;
}

// Reads the list anew, and again as long as a model is on its way into memory.
function useFreshModels() {
  const isLoading = models.value.some(({ state }) => state === "loading");
  useEffect(() => void refreshModels(), []);
  useEffect(() => {
    if (!isLoading) return undefined;
    const timer = setInterval(refreshModels, AGAIN);
    return () => clearInterval(timer);
  }, [isLoading]);
}

// Map of name -> {name, problem} of the providers that are switched on and fail; empty where the server does not tell.
function useSickProviders() {
  const [sick, setSick] = useState(new Map());
  useEffect(() => {
    const keep = (rows) => setSick(new Map((rows ?? []).filter(({ enabled, problem }) => enabled && problem).map((row) => [row.name, row])));
    listProviders().then(keep, () => {});
  }, []);
  return sick;
}
