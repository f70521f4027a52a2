// Signing in and out, where the server wants keys. The key goes to the server once and comes back as a cookie that no
// script can read.

import { needsSignIn, request } from "./http.mjs";

const LINK = /^#sign-in=(.+)$/;

// Throws a StreamError with status 401 where the key is wrong.
export async function signIn(key, options) {
  await request("POST", "/api/session", { body: { key: key.trim() }, ...options });
  needsSignIn.value = false;
}

// Signs in by the one-time link that the server printed at its start, if this page was opened by it. Returns whether it
// was; throws where the link is used up. The link leaves the address and the history at once.
export async function signInByLink({ location = globalThis.location, history = globalThis.history, ...options } = {}) {
  const link = LINK.exec(location.hash)?.[1];
  if (!link) return false;
  history.replaceState(history.state, "", location.pathname + location.search);
  await request("POST", "/api/session", { body: { link: decodeURIComponent(link) }, ...options });
  needsSignIn.value = false;
  return true;
}

export async function signOut(options) {
  await request("DELETE", "/api/session", options);
  needsSignIn.value = true;
}
