// What is kept with an answer while it is written, as `stream` of the message, so that another page can go on with it:
//
//   id, after, letters   the server's stream and how far it was read, see sse/resuming.mjs
//   wording              what had come and could not be shown yet
//   startedAt, ttft, reasoningTime, usage, price   for the figures; startedAt in milliseconds since 1970
//   base                 how many parts of the message were there before
//   begun                how many letters the text had that is gone on with
//   before               {usage, cost, timing} of the message before it was gone on with, null where it is new

import { reasoningOf, textOf } from "../store/message.mjs";

// null where the answer cannot be taken up.
export function checkpointOf(run, { base, before }) {
  const checkpoint = run.checkpoint;
  if (checkpoint === null) return null;
  const former = before && { usage: before.usage, cost: before.cost, timing: before.timing };
  return { ...checkpoint, price: run.price, base: base.length, before: former };
}

// What a page has of a stream that it follows from its beginning, for a Run.
export function nothingOf(streamId, { now = Date.now } = {}) {
  const figures = { startedAt: now(), ttft: null, reasoningTime: null, usage: null };
  const facts = { finishReason: null, provider: null, requestId: null, hasGap: false };
  return { id: streamId, after: 0, letters: 0, text: "", reasoning: "", toolCalls: [], ...figures, ...facts };
}

// From a message that was left with a checkpoint: {base, before, price, begun, kept}, for a Recorder and a Run.
export function leftIn({ parts, stream, finishReason, provider, requestId, hasGap }) {
  const [base, own] = [parts.slice(0, stream.base), parts.slice(stream.base)];
  const text = textOf({ parts: own });
  const toolCalls = own.flatMap(({ type, ...call }) => (type === "tool_call" ? [call] : []));
  const kept = { ...stream, text: text.slice(stream.begun), reasoning: reasoningOf({ parts: own }), toolCalls, finishReason, provider, requestId, hasGap };
  return { base, before: stream.before, price: stream.price, begun: text.slice(0, stream.begun), kept };
}
