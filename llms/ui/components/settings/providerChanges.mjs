// What the owner of the server may do with a provider. Each resolves when `providers` is up to date.

import { pathOf, request } from "../../api/http.mjs";
import { refreshModels } from "../../api/models.mjs";
import { readProviders } from "./server.mjs";

export function switchProvider(name, enabled) {
  return changed("PATCH", addressOf(name), { enabled });
}

// keep: "memory" until the server is started anew, or "file". The key goes out once and never comes back.
export function enterKey(name, key, keep) {
  return changed("PUT", `${addressOf(name)}/key`, { key, keep });
}

export function forgetKey(name) {
  return changed("DELETE", `${addressOf(name)}/key`);
}

// {ok, milliseconds, problem, models, …}, see POST /api/providers/{name}/test.
export async function testProvider(name) {
  const answer = await request("POST", `${addressOf(name)}/test`, { body: {} });
  await Promise.all([readProviders(), refreshModels()]);
  return answer;
}

async function changed(method, path, body) {
  await request(method, path, { body });
  await Promise.all([readProviders(), refreshModels()]);
}

function addressOf(name) {
  return `/api/providers/${pathOf(name)}`;
}
