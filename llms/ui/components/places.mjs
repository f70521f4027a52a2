// Where the page is, by its address: "#/" a chat that has not begun, "#/chat/ID", "#/chat/ID/MESSAGE", "#/usage",
// "#/compare", "#/stream/ID" an answer that another device is having written. Back and forward work, and a link can be opened in another tab.

import { signal } from "../view.mjs";

const CHAT = /^#\/chat\/([^/?]+)(?:\/([^/?]+))?$/;
const STREAM = /^#\/stream\/([\w-]+)$/;
const PAGES = new Set(["usage", "compare"]);

// Keys of what the pages beside the chat are called.
export const TITLES = { usage: "usagePage.title", compare: "compare.title", stream: "stream.title" };

// {page: "chat", "usage", "compare" or "stream", threadId, messageId, streamId: of that page}
export const place = signal(placeOf(globalThis.location?.hash ?? ""));

globalThis.addEventListener?.("hashchange", () => (place.value = placeOf(location.hash)));

// The address of a chat, at one of its messages if that is wanted; of a new one without an id.
export function hrefOf(threadId = null, messageId = null) {
  if (threadId === null) return "#/";
  return `#/chat/${encodeURIComponent(threadId)}${messageId === null ? "" : `/${encodeURIComponent(messageId)}`}`;
}

// The address at which any device that is signed in with the same key follows an answer.
export function hrefOfStream(streamId) {
  return `#/stream/${encodeURIComponent(streamId)}`;
}

// Goes to an address, such as "#/usage". `replace` leaves no step to go back to.
export function go(href, { replace = false } = {}) {
  if (replace) history.replaceState(history.state, "", href);
  else if (location.hash !== href) history.pushState(null, "", href);
  place.value = placeOf(href);
}

export function placeOf(hash) {
  const name = hash.replace(/^#\//, "");
  if (PAGES.has(name)) return { page: name, threadId: null, messageId: null };
  const [, streamId] = STREAM.exec(hash) ?? [];
  if (streamId) return { page: "stream", threadId: null, messageId: null, streamId };
  const [, threadId, messageId] = CHAT.exec(hash) ?? [];
  return { page: "chat", threadId: decoded(threadId), messageId: decoded(messageId) };
}

// null for what is not there, or was not written by us.
function decoded(part) {
  try {
    return part === undefined ? null : decodeURIComponent(part);
  } catch {
    return null;
  }
}
