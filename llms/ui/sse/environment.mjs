// What the stream client needs of the world around it. Tests hand in their own.

export const BROWSER = Object.freeze({
  fetch: (url, init) => globalThis.fetch(url, init),
  now: () => performance.now(), // milliseconds, never goes back; for whoever measures
  date: () => Date.now(), // milliseconds since 1970: a Retry-After may be a date
  random: () => Math.random(),
  setTimeout: (call, milliseconds) => globalThis.setTimeout(call, milliseconds),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
  isOnline: () => globalThis.navigator?.onLine !== false,
  onOnline: (callback) => {
    globalThis.addEventListener?.("online", callback);
    return () => globalThis.removeEventListener?.("online", callback);
  },
});
