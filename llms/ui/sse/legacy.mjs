// Tells what one event of a stream means, whichever of the known shapes the stream has. All become OpenAI chunks:
//
//   openai  {choices: […]}                                   ends with [DONE] or finish reasons
//   typed   {type: "chunk"|"status"|"error"|"complete", data}  ends with complete
//   piece   {chunk, type}, {text, finished}                  ends with [DONE], finished, or the stream itself
//   raw     any text                                         ends with [DONE] or the stream itself

import { StreamError, StreamErrorType } from "./errors.mjs";

export class FormatDetector {
  format = null;

  // The shapes without an end of their own end when the stream does.
  get endsWithStream() {
    return this.format === "raw" || this.format === "piece";
  }

  // Returns {chunk, whole: the text of a whole answer, last}, {error}, {done: true} or null for what means nothing. Throws a PARSE error.
  read({ type, data }) {
    if (type === "ping" || (data === "" && this.format !== "raw")) return null;
    if (data.trim() === "[DONE]") return { done: true };
    const value = this.#parse(data);
    if (value === undefined) return { chunk: textChunk(data) };
    if (type === "error" || (value.error && !Array.isArray(value.choices))) return { error: value.error ?? value };
    if (Array.isArray(value.choices)) return this.#is("openai", { chunk: value });
    if (Object.hasOwn(TYPED, value.type) && Object.hasOwn(value, "data")) return this.#is("typed", TYPED[value.type](value.data ?? {}));
    if (typeof value.chunk === "string") return this.#is("piece", { chunk: pieceChunk(value) });
    if (typeof value.text === "string") return this.#is("piece", finishing(value));
    return value.llms ? { chunk: { choices: [], llms: value.llms } } : null;
  }

  #is(format, meaning) {
    this.format ??= format;
    return meaning;
  }

  // The object in the text, or undefined where it is to be taken as text.
  #parse(data) {
    if (this.format === "raw") return undefined;
    try {
      const value = JSON.parse(data);
      if (typeof value === "object" && value !== null) return value;
    } catch (cause) {
      if (this.format !== null || data.trimStart().startsWith('{"')) throw malformed(data, cause);
    }
    if (this.format !== null) throw malformed(data);
    this.format = "raw";
    return undefined;
  }
}

const TYPED = {
  chunk: (data) => ({ chunk: textChunk(data.content ?? "") }),
  status: (data) => ({ chunk: statusChunk(data) }),
  error: (data) => ({ error: data }),
  complete: (data) => ({ chunk: textChunk("", "stop"), whole: data.final_response, last: true }),
};

function textChunk(content, finishReason = null) {
  return { object: "chat.completion.chunk", choices: [{ index: 0, delta: { content }, finish_reason: finishReason }] };
}

function statusChunk({ message, progress }) {
  const llms = {};
  if (message !== undefined) llms.message = message;
  if (typeof progress === "number") llms.percent = progress * 100;
  return { object: "chat.completion.chunk", choices: [], llms };
}

function pieceChunk({ chunk, type }) {
  return type === "status" ? statusChunk({ message: chunk }) : textChunk(chunk);
}

function finishing({ text, finished, finish_reason: reason }) {
  return { chunk: textChunk(text, finished ? (reason ?? "stop") : null) };
}

function malformed(data, cause) {
  const shown = data.length > 80 ? `${data.slice(0, 80)}…` : data;
  return new StreamError(StreamErrorType.PARSE, `The stream holds an event that is no JSON: ${shown}`, { code: "malformed_event", cause });
}
