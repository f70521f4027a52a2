// Downloading a model to the server's machine, told as it goes.

import { cancelled, errorOfEvent, truncated, unreachable } from "../sse/errors.mjs";
import { EventStreamParser } from "../sse/parser.mjs";
import { respond } from "./http.mjs";

// source: "owner/repo", "hf:owner/repo:quant", an address, or the name of a packaged model. Options: name, sha256, signal,
// onProgress({status: "downloading" or "verifying", completed, total}: bytes). Resolves with {model, id, size}; id is what to
// ask for, null where no provider offers the file. Throws a StreamError. Leaving stops the download; what came is kept.
export async function pullModel(source, { name, sha256, onProgress = () => {}, signal, fetch } = {}) {
  const response = await respond("POST", "/api/pull", { body: { source, name, sha256 }, signal, fetch });
  for await (const event of events(response, signal)) {
    if (event.error) throw errorOfEvent(event.error);
    if (event.status === "done") return { model: event.model, id: event.id ?? null, size: event.size ?? null };
    onProgress(event);
  }
  throw truncated();
}

async function* events(response, signal) {
  const arrived = [];
  const parser = new EventStreamParser({ onEvent: ({ data }) => arrived.push(data) });
  const reader = response.body.getReader();
  const next = () =>
    reader.read().catch((cause) => {
      throw signal?.aborted ? cancelled(cause) : unreachable(cause);
    });
  try {
    for (let read; !(read = await next()).done; ) {
      parser.feed(read.value);
      while (arrived.length) yield JSON.parse(arrived.shift());
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
