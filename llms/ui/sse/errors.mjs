// One class of error for a stream that failed, and how each failure becomes one.
//
//   NETWORK              no connection, a cut one, an answer without an end     again
//   TIMEOUT              silence, 408, 504                                      again
//   SERVER               5xx, an error event: again; other 4xx: not again
//   RATE_LIMIT           429, a full line: again, after retryAfter; no quota left: not again
//   PARSE                something else than a stream of events                 not again
//   CANCELLED            the person stopped it                                  not again
//   MAX_RETRIES_EXCEEDED every try failed; `cause` is the last failure          not again

export const StreamErrorType = Object.freeze({
  NETWORK: "NETWORK",
  TIMEOUT: "TIMEOUT",
  SERVER: "SERVER",
  RATE_LIMIT: "RATE_LIMIT",
  PARSE: "PARSE",
  CANCELLED: "CANCELLED",
  MAX_RETRIES: "MAX_RETRIES_EXCEEDED",
});

// What ends a connection and not the answer behind it.
const LOST_CONNECTIONS = new Set(["connection_lost", "silence", "stream_truncated"]);

const { NETWORK, TIMEOUT, SERVER, RATE_LIMIT, CANCELLED, MAX_RETRIES } = StreamErrorType;
const TRANSIENT = new Set([NETWORK, TIMEOUT, SERVER, RATE_LIMIT]);
const TYPE_BY_CODE = new Map([
  ["rate_limit_exceeded", RATE_LIMIT],
  ["queue_full", RATE_LIMIT],
  ["insufficient_quota", RATE_LIMIT],
  ["upstream_timeout", TIMEOUT],
  ["request_timeout", TIMEOUT],
  ["upstream_unreachable", NETWORK],
  ["upstream_truncated", NETWORK],
  ["cancelled", CANCELLED],
]);

// retryAfter: seconds, null when nobody said. text, completion: what had come before the failure. resumable: what the
// server said of its stream, else null; partial: the text that it gave in the place of events.
export class StreamError extends Error {
  name = "StreamError";

  constructor(type, message, facts = {}) {
    super(message, "cause" in facts ? { cause: facts.cause } : undefined);
    this.type = type;
    this.retryable = facts.retryable ?? TRANSIENT.has(type);
    this.retryAfter = facts.retryAfter ?? null;
    this.status = facts.status ?? null;
    this.code = facts.code ?? null;
    this.param = facts.param ?? null;
    this.requestId = facts.requestId ?? null;
    this.provider = facts.provider ?? null;
    this.model = facts.model ?? null;
    this.streamId = facts.streamId ?? null;
    this.lastEventId = facts.lastEventId ?? null;
    this.resumable = facts.resumable ?? null;
    this.partial = facts.partial ?? null;
    this.text = "";
    this.completion = null;
    this.afterFirstChunk = false; // then another try would be another answer
  }

  // Whether the server may go on with this answer without us, so that its stream can be taken up again.
  get canBeTakenUp() {
    return this.streamId !== null && (this.resumable ?? this.isLostConnection);
  }

  // Whether a connection ended, and nobody said what became of the answer.
  get isLostConnection() {
    return LOST_CONNECTIONS.has(this.code);
  }

  // Remembers what had been received, so that nothing shown is ever taken away again.
  keep(text, completion) {
    this.text = text;
    this.completion = completion;
    return this;
  }
}

export function cancelled(cause) {
  return new StreamError(CANCELLED, "The answer was canceled.", { code: "cancelled", cause });
}

export function silent(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  return new StreamError(TIMEOUT, `Nothing came from the server for ${seconds} seconds.`, { code: "silence" });
}

export function truncated() {
  return new StreamError(NETWORK, "The answer ended before it was finished.", { code: "stream_truncated" });
}

export function unreachable(cause) {
  return new StreamError(NETWORK, "The connection to the server was lost.", { code: "connection_lost", cause });
}

export function tooManyTries(tries, last) {
  const { status, code, param, retryAfter, requestId, provider, model } = last;
  const facts = { cause: last, status, code, param, retryAfter, requestId, provider, model };
  return new StreamError(MAX_RETRIES, `No answer after ${tries} tries: ${last.message}`, facts);
}

// The error of an event {"error": …}: an object, or only a text.
export function errorOfEvent(payload) {
  const error = typeof payload === "object" && payload !== null ? payload : { message: String(payload) };
  const code = typeof error.code === "string" ? error.code : typeof error.type === "string" ? error.type : null;
  return new StreamError(typeOf(code, error.status), error.message || "The server reported an error.", {
    code,
    param: error.param,
    status: error.status,
    retryable: code === "insufficient_quota" ? false : undefined,
    retryAfter: seconds(error.retry_after),
    ...resuming(error),
  });
}

// The error of an answer whose status is no success, by its headers and the text of its body.
// now: milliseconds since 1970, for a Retry-After that is a date.
export function errorOfResponse(response, text, now) {
  const payload = errorBody(text);
  const code = typeof payload.code === "string" ? payload.code : null;
  const type = typeOf(code, response.status);
  const again = type !== SERVER || response.status >= 500;
  const refused = response.headers.get("x-should-retry") === "false" || code === "insufficient_quota";
  return new StreamError(type, payload.message || `The server answered ${response.status}.`, {
    status: response.status,
    code,
    param: payload.param,
    retryable: again && !refused && type !== CANCELLED,
    retryAfter: retryAfter(response.headers, now),
    ...resuming(payload),
    ...origin(response.headers),
  });
}

// What an error says of a stream that could be taken up again.
function resuming({ stream_id: streamId, last_event_id: lastEventId, resumable, partial }) {
  return { streamId, lastEventId, resumable, partial: typeof partial === "string" ? partial : null };
}

// Who answered, as far as the headers say.
export function origin(headers) {
  return {
    requestId: headers.get("x-request-id"),
    provider: headers.get("x-llms-provider"),
    model: headers.get("x-llms-model"),
    streamId: headers.get("x-llms-stream-id"),
  };
}

// Seconds to wait by retry-after-ms and Retry-After (seconds or a date), null without them.
export function retryAfter(headers, now) {
  const exact = headers.get("retry-after-ms");
  if (exact && Number.isFinite(Number(exact))) return Math.max(0, Number(exact) / 1000);
  const value = headers.get("retry-after");
  if (!value) return null;
  if (Number.isFinite(Number(value))) return Math.max(0, Number(value));
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, (date - now) / 1000);
}

function typeOf(code, status) {
  if (Object.values(StreamErrorType).includes(code)) return code;
  if (TYPE_BY_CODE.has(code)) return TYPE_BY_CODE.get(code);
  if (status === 429) return RATE_LIMIT;
  return status === 408 || status === 504 ? TIMEOUT : SERVER;
}

function errorBody(text) {
  try {
    const body = JSON.parse(text);
    const error = body?.error ?? body?.detail ?? body?.message;
    return typeof error === "object" && error !== null ? error : { message: typeof error === "string" ? error : "" };
  } catch {
    return { message: text.trimStart().startsWith("<") ? "" : text.trim().slice(0, 500) };
  }
}

function seconds(value) {
  return typeof value === "number" && value >= 0 ? value : null;
}
