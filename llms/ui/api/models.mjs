// Which models there are, as the server lists them: read once, and again on request.

import { computed, signal } from "../view.mjs";
import { request } from "./http.mjs";
import { modelOf } from "./model.mjs";

// See model.mjs for what a model is. state: "unread", "reading", "read" or "failed", with the StreamError in `problem`.
export const models = signal([]);
export const modelsState = signal({ state: "unread", problem: null });

const byId = computed(() => new Map(models.value.map((model) => [model.id, model])));

let reading = null;

// Reads the list; one at a time. Resolves when `models` is up to date, also where it failed.
export function refreshModels(options) {
  reading ??= read(options).finally(() => (reading = null));
  return reading;
}

export function modelById(id) {
  return byId.value.get(id) ?? null;
}

// The model that answers: the chosen one, also where it is not listed (its provider may be down, and it may be asked all the
// same); without a choice the first of the others that is listed, else the first that chats. null without any.
export function chosenModel(chosen, ...others) {
  if (chosen) return byId.value.get(chosen) ?? modelOf({ id: chosen });
  const found = others.map((id) => (id ? byId.value.get(id) : undefined)).find(Boolean);
  return found ?? models.value.find((model) => model.isChat) ?? null;
}

// Models that match a text, as groups [{provider, models}]: favourites first (provider "favourites"), then the names of the
// server's own (provider null), then each provider. Options: query, favourites (ids), all (also those that don't chat).
export function groupModels(list, { query = "", favourites = [], all = false } = {}) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = list.filter((model) => (all || model.isChat) && words.every((word) => told(model).includes(word)));
  const groups = new Map([["favourites", found.filter(({ id }) => favourites.includes(id))], [null, []]]);
  for (const model of found) {
    if (!groups.has(model.provider)) groups.set(model.provider, []);
    groups.get(model.provider).push(model);
  }
  return [...groups].filter(([, members]) => members.length).map(([provider, members]) => ({ provider, models: members }));
}

// favourites: the signal of the settings.
export function toggleFavourite(favourites, id) {
  const { value } = favourites;
  favourites.value = value.includes(id) ? value.filter((each) => each !== id) : [...value, id];
}

async function read(options) {
  modelsState.value = { state: "reading", problem: null };
  try {
    const { data } = await request("GET", "/v1/models", options);
    models.value = data.filter((entry) => typeof entry?.id === "string").map(modelOf);
    modelsState.value = { state: "read", problem: null };
  } catch (problem) {
    modelsState.value = { state: "failed", problem };
  }
}

function told({ id, label, quantization }) {
  return `${id} ${label ?? ""} ${quantization ?? ""}`.toLowerCase();
}
