// What was used: tokens, requests, cost, as the server keeps them.

import { ifPresent, request } from "./http.mjs";

// What GET /api/usage answers, null where this server keeps none. query: fields of the address, such as {days: 30}.
export function readUsage(query = {}, options) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const search = new URLSearchParams(given).toString();
  return ifPresent(request("GET", `/api/usage${search && `?${search}`}`, options));
}
