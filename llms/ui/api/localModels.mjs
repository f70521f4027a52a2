// The models of the server's own machine: what they do, and bringing them into memory, out of it, off the disk.

import { ifPresent, pathOf, request } from "./http.mjs";

// [{id, provider, state: unloaded, loading, loaded or failed, problem, memory_bytes, slots, busy, loaded_for, idle_for, file,
// size}], null where this server has no such thing. Times in seconds.
export async function listLocalModels(options) {
  const answer = await ifPresent(request("GET", "/api/models", options));
  return answer?.data ?? null;
}

// Resolves with the model when it is in memory, which may take a minute.
export function loadModel(id, options) {
  return request("POST", `/api/models/${pathOf(id)}/load`, options);
}

// Throws with status 409 while it is in use.
export function unloadModel(id, options) {
  return request("DELETE", `/api/models/${pathOf(id)}/load`, options);
}

// Deletes the file of a downloaded model.
export function deleteModel(id, options) {
  return request("DELETE", `/api/models/${pathOf(id)}`, options);
}
