// Several tries for one answer. A try may be repeated only while no chunk has come: after that, a second one would be
// another answer spliced onto the first.

import { delayAfter, pause } from "./backoff.mjs";
import { BROWSER } from "./environment.mjs";
import { StreamError, StreamErrorType, tooManyTries } from "./errors.mjs";
import { open } from "./opening.mjs";
import { SSEStreamReader } from "./reader.mjs";
import { SILENCE } from "./watchdog.mjs";

export const TRIES = 3;
const LONGEST_WAIT = 60_000; // a server that asks for more is asked by a person, later
const WHOLE_ANSWER = 600_000; // an answer in one piece sends no heartbeats

const { RATE_LIMIT, PARSE } = StreamErrorType;

// Reads `body` from `url` as a stream, then, when all tries fail, as one whole answer. Returns the completion.
// Callbacks: onChunk(text, chunk, id), onStatus(message, status, id), onResponse(response).
// Status objects of ours have the state connecting, retrying {attempt, tries, delay, error} or whole_answer {error}.
export async function answer(url, body, { callbacks, headers, signal = null, tries = TRIES, silence = SILENCE, fallback = true, environment = {} }) {
  const world = { ...BROWSER, ...environment };
  const exchange = { url, body, callbacks, headers, signal, world };
  const streamed = body.stream !== false;
  const failure = await repeat(tries, exchange, () => once(exchange, body, streamed ? silence : WHOLE_ANSWER));
  if (failure.completion) return failure.completion;
  const { error } = failure;
  if (streamed && fallback && error.type !== RATE_LIMIT) return inOnePiece(exchange, error, tries);
  throw error.retryable && tries > 1 ? tooManyTries(tries, error).keep(error.text, error.completion) : error;
}

// Returns {completion}, or {error} when every try failed before its first chunk; throws what must not be tried again.
async function repeat(tries, { callbacks, signal, world }, attempt) {
  for (let made = 1; ; made += 1) {
    tell(callbacks, "", { state: "connecting", attempt: made, tries });
    try {
      return { completion: await attempt() };
    } catch (error) {
      if (!mayBeAskedAgain(error)) throw error;
      if (made >= tries || error.type === PARSE) return { error };
      const delay = delayAfter(error, made, world);
      tell(callbacks, `Trying again: ${error.message}`, { state: "retrying", attempt: made + 1, tries, delay, error });
      await pause(delay, signal, world);
    }
  }
}

// What is no stream today is none in a second either: then only the whole answer is left to ask for.
// A stream that can be taken up again goes on without us: to ask again would be to pay twice.
function mayBeAskedAgain(error) {
  if (!(error instanceof StreamError) || error.afterFirstChunk || error.canBeTakenUp) return false;
  return error.type === PARSE || (error.retryable && (error.retryAfter ?? 0) * 1000 <= LONGEST_WAIT);
}

async function inOnePiece(exchange, error, tries) {
  const { stream_options: _, ...whole } = exchange.body;
  await pause(error.type === PARSE ? 0 : delayAfter(error, tries, exchange.world), exchange.signal, exchange.world);
  tell(exchange.callbacks, "Asking for the whole answer at once.", { state: "whole_answer", error });
  try {
    return await once(exchange, { ...whole, stream: false }, WHOLE_ANSWER);
  } catch (last) {
    if (!(last instanceof StreamError) || !last.retryable) throw last;
    throw tooManyTries(tries + 1, last).keep(last.text, last.completion);
  }
}

// One request and its answer.
async function once({ url, callbacks, headers, signal, world }, body, silence) {
  const connection = new AbortController();
  const response = await open(connection, silence, signal, world, () =>
    world.fetch(url, { method: "POST", headers, body: JSON.stringify(body), signal: connection.signal, credentials: "same-origin" }),
  );
  callbacks.onResponse?.(response);
  const reader = new SSEStreamReader(response, { signal, silence, environment: world });
  try {
    await reader.readToCompletion({ onChunk: callbacks.onChunk, onStatus: callbacks.onStatus });
  } finally {
    connection.abort();
  }
  return reader.completion;
}

function tell(callbacks, message, status) {
  callbacks.onStatus?.(message, status);
}
