// Sending a request whose answer is read as it comes.

import { cancelled, silent, unreachable } from "./errors.mjs";
import { Watchdog } from "./watchdog.mjs";

// The response, or why there is none: the person, the silence, or no connection.
export async function open(connection, silence, signal, world, request) {
  let reason = null;
  const stop = (why) => {
    reason ??= why;
    connection.abort();
  };
  const onAbort = () => stop(cancelled(signal.reason));
  const watchdog = new Watchdog(silence, (limit) => stop(silent(limit)), world);
  if (signal?.aborted) throw cancelled(signal.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  watchdog.start();
  try {
    return await request();
  } catch (cause) {
    throw reason ?? unreachable(cause);
  } finally {
    watchdog.stop();
    signal?.removeEventListener("abort", onAbort);
  }
}
