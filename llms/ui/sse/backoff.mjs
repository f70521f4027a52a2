// How long to wait before the next try: at most 1, 2, 4, then 8 seconds, anywhere below (full jitter), so that many pages
// that lost the same server do not come back all at once; and never sooner than the server asked.

import { cancelled } from "./errors.mjs";

const FIRST = 1000;
const LONGEST = 8000;

// Milliseconds to wait after so many failures (1 and up).
export function backoff(failures, { random }) {
  return random() * Math.min(LONGEST, FIRST * 2 ** (failures - 1));
}

// Milliseconds to wait after this failure.
export function delayAfter(error, failures, environment) {
  return Math.max(backoff(failures, environment), (error.retryAfter ?? 0) * 1000);
}

// Resolves after so many milliseconds; rejects at once when the signal says stop.
export function pause(milliseconds, signal, { setTimeout, clearTimeout }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(cancelled(signal.reason));
    const stop = () => {
      clearTimeout(timer);
      reject(cancelled(signal.reason));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
