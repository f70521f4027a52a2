// The configured providers and how they fare.

import { ifPresent, request } from "./http.mjs";

// What GET /api/providers lists, null where this server does not tell.
export async function listProviders(options) {
  const answer = await ifPresent(request("GET", "/api/providers", options));
  return answer === null ? null : (answer.data ?? answer.providers ?? []);
}
