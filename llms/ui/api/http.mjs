// Requests to our own server. Errors are StreamErrors, as those of a chat: {status, code, message, param, retryAfter, type}.

import { signal } from "../view.mjs";
import { StreamError, StreamErrorType, cancelled, errorOfResponse, unreachable } from "../sse/errors.mjs";

// True from the first refusal for want of a key until somebody has signed in.
export const needsSignIn = signal(false);

// Sends a request; body is JSON or absent. Returns the answer as JSON, null where it has none. Throws a StreamError.
export async function request(method, path, { body, signal: stop, fetch = globalThis.fetch } = {}) {
  const response = await respond(method, path, { body, signal: stop, fetch });
  const text = await response.text().catch((cause) => {
    throw failure(cause, stop);
  });
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new StreamError(StreamErrorType.PARSE, "The server answered something else than JSON.", { status: response.status, cause });
  }
}

// The same for whoever reads the answer as it comes: a Response that is a success. Throws a StreamError.
export async function respond(method, path, { body, signal: stop, fetch = globalThis.fetch } = {}) {
  const headers = { Accept: "application/json, text/event-stream", ...(body !== undefined && { "Content-Type": "application/json" }) };
  const init = { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal: stop, credentials: "same-origin" };
  const response = await fetch(path, init).catch((cause) => {
    throw failure(cause, stop);
  });
  if (response.ok) return response;
  const error = errorOfResponse(response, await response.text().catch(() => ""), Date.now());
  noteSignIn(error);
  throw error;
}

// What a promise of a feature brings, or `absent` where this server does not have it.
export async function ifPresent(promise, absent = null) {
  try {
    return await promise;
  } catch (error) {
    if (error.status === 404 && (error.code === "not_found" || error.code === null)) return absent;
    if (error.status === 405) return absent;
    throw error;
  }
}

// Asks for a sign-in where an error says that a key is missing. An upstream's refusal of our key is a 502, never this.
export function noteSignIn(error) {
  if (error.status === 401) needsSignIn.value = true;
}

// A path with an id in it; ids of models hold slashes, which stay.
export function pathOf(id) {
  return id.split("/").map(encodeURIComponent).join("/");
}

function failure(cause, stop) {
  return stop?.aborted ? cancelled(cause) : unreachable(cause);
}
