// What the server tells of itself.

import { ifPresent, request } from "./http.mjs";

// What GET /api/settings answers, null where this server does not tell.
export function readServerSettings(options) {
  return ifPresent(request("GET", "/api/settings", options));
}
