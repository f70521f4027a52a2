// What a card says of an error, as a plain object that can be kept.
export function cardOf({ type, message, status, code, param, retryable, retryAfter, provider, model, requestId }) {
  return { type, message, status, code, param: param ?? null, retryable, retryAfter, provider, model, requestId };
}
