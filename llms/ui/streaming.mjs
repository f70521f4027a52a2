// Chat by a stream of events: the public functions. What they are made of lies in sse/.

import { answer } from "./sse/attempts.mjs";
import { Fold } from "./sse/fold.mjs";
import { SSEStreamReader } from "./sse/reader.mjs";

export { StreamError, StreamErrorType } from "./sse/errors.mjs";
export { Fold, SSEStreamReader };

const URL_OF_CHAT = "/v1/chat/completions";

// Reads a streamed answer and calls onChunk with each OpenAI chunk; progress comes as chunks with `llms` and no choices.
// Returns all chunks. Throws a StreamError (CANCELLED when the signal says stop) that holds the text so far.
export async function processSSEStream(response, onChunk, signal, options = {}) {
  const reader = new SSEStreamReader(response, { ...options, signal });
  const chunks = [];
  for await (const { chunk } of reader.readEvents()) {
    if (chunk === null || chunk === chunks.at(-1)) continue; // one chunk may be text and progress at once
    chunks.push(chunk);
    onChunk?.(chunk);
  }
  return chunks;
}

// The OpenAI answer that chunks amount to: content, reasoning, tool calls, finish reasons, usage, the last of `llms`.
export function accumulateChunks(chunks) {
  const fold = new Fold();
  for (const chunk of chunks) fold.add(chunk);
  return fold.completion();
}

// Asks for an answer and returns it as a completion. onChunk(text, chunk) for each chunk, onStatus(message, status) for
// progress and for what becomes of the connection. Tries three times while no chunk has come, then asks for the whole
// answer in one piece. `request.stream: false` asks for that at once. Throws a StreamError that holds the text so far.
// Options: url, headers, signal, onResponse, tries, silence, fallback, environment (see sse/attempts.mjs).
export async function chatWithModelStream(request, onChunk, onStatus, options = {}) {
  const { url = URL_OF_CHAT, headers = {}, onResponse, ...rest } = options;
  const streamed = request.stream !== false;
  const body = streamed ? { ...request, stream: true, stream_options: { include_usage: true, ...request.stream_options } } : request;
  return answer(url, body, {
    ...rest,
    headers: { "Content-Type": "application/json", ...(streamed && { "X-LLMS-Stream": "progress" }), ...headers },
    callbacks: { onChunk, onStatus, onResponse },
  });
}
