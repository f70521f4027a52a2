// What the server tells of itself and has to offer; read when the settings open.

import { ifPresent, request } from "../../api/http.mjs";
import { listLocalModels } from "../../api/localModels.mjs";
import { readServerSettings } from "../../api/serverSettings.mjs";
import { computed, signal } from "../../view.mjs";

export const server = signal(null); // what GET /api/settings answers; null where it does not, or not yet
export const providers = signal(null); // rows of GET /api/providers, null where the server has none
export const addable = signal([]); // well-known providers that are not there yet
export const localModels = signal(null); // rows of GET /api/models
export const isRead = signal(false);

export const hasProviders = computed(() => providers.value !== null || !isRead.value);
export const hasLocalModels = computed(() => localModels.value !== null || !isRead.value);

// Reads all of it; what fails counts as not there.
export async function readServer() {
  const keep = (into) => (value) => (into.value = value);
  await Promise.all([
    readServerSettings().then(keep(server), () => {}),
    readProviders().catch(() => {}),
    readLocalModels().catch(() => {}),
  ]);
  isRead.value = true;
}

export async function readProviders() {
  const answer = await ifPresent(request("GET", "/api/providers"));
  providers.value = answer?.data ?? null;
  addable.value = answer?.addable ?? [];
}

export async function readLocalModels() {
  localModels.value = await listLocalModels();
}
