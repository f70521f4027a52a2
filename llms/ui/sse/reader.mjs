// One streamed answer, read once: events out of a Response, with an honest end.

import { BROWSER } from "./environment.mjs";
import { StreamError, StreamErrorType, cancelled, errorOfEvent, errorOfResponse, origin, silent, truncated, unreachable } from "./errors.mjs";
import { Fold } from "./fold.mjs";
import { FormatDetector } from "./legacy.mjs";
import { EventStreamParser } from "./parser.mjs";
import { SILENCE, Watchdog } from "./watchdog.mjs";

// Events have {type, data, id, chunk}: chunk is the OpenAI chunk behind the event, id the stream's last event id.
//   chunk     data: {content, index}; index counts the chunks from 0
//   status    data: {message, progress, …llms}; progress from 0 to 1 where it is known
//   complete  data: {final_response, completion}; the last event, without a chunk. A failure is thrown instead
export class SSEStreamReader {
  #response;
  #environment;
  #signal;
  #watchdog;
  #detector = new FormatDetector();
  #fold = new Fold();
  #parser = new EventStreamParser({ onEvent: (event) => this.#arrived.push(event) });
  #arrived = [];
  #listeners = { data: new Set(), error: new Set(), complete: new Set() };
  #body = null;
  #state = "new"; // new, streaming, ended
  #reason = null; // why we ended it ourselves
  #done = false;
  #bytes = 0;
  #events = 0;

  // silence: milliseconds without a byte after which the connection counts as dead, 0 for never.
  constructor(response, { signal = null, silence = SILENCE, environment = {} } = {}) {
    this.#response = response;
    this.#environment = { ...BROWSER, ...environment };
    this.#signal = signal;
    this.#watchdog = new Watchdog(silence, (limit) => this.#stop(silent(limit)), this.#environment);
  }

  get isStreaming() {
    return this.#state === "streaming";
  }

  get bytesReceived() {
    return this.#bytes;
  }

  get eventsReceived() {
    return this.#events;
  }

  // Chunks with choices so far: from the first one on, nobody may try again.
  get chunksReceived() {
    return this.#fold.chunks;
  }

  get text() {
    return this.#fold.text;
  }

  get completion() {
    return this.#fold.completion();
  }

  get lastEventId() {
    return this.#parser.lastEventId;
  }

  // Calls back on "data" (event), "error" (StreamError) or "complete" ({final_response, completion}).
  // Returns a function that takes the callback away again.
  on(name, callback) {
    if (!Object.hasOwn(this.#listeners, name)) throw new TypeError(`Unknown event "${name}": use "data", "error" or "complete".`);
    this.#listeners[name].add(callback);
    return () => this.#listeners[name].delete(callback);
  }

  // Ends the stream and the download with it; whoever reads gets a CANCELLED error with the text so far.
  cancel() {
    this.#stop(cancelled());
  }

  // Ends the download as a network does that is gone.
  disconnect() {
    this.#stop(unreachable());
  }

  // Yields events; throws a StreamError with the text so far. Leaving the loop ends the download.
  async *readEvents() {
    if (this.#state !== "new") throw new TypeError("This stream is already being read: make one reader for each response.");
    this.#state = "streaming";
    const stop = () => this.#stop(cancelled(this.#signal.reason));
    this.#signal?.addEventListener("abort", stop, { once: true });
    const forget = this.#followNetwork();
    try {
      if (this.#signal?.aborted) stop();
      yield* this.#read();
    } catch (cause) {
      throw cause instanceof StreamError ? this.#fail(cause) : cause; // a callback's own fault stays what it is
    } finally {
      this.#signal?.removeEventListener("abort", stop);
      forget();
      this.#close();
    }
  }

  // Reads everything and returns the text. Callbacks: onChunk(text, chunk, id), onStatus(message, status, id), onError(error),
  // onComplete({final_response, completion}); all optional. id: the stream's last event id.
  async readToCompletion({ onChunk, onStatus, onError, onComplete } = {}) {
    try {
      for await (const { type, data, chunk, id } of this.readEvents()) {
        if (type === "chunk") onChunk?.(data.content, chunk, id);
        else if (type === "status") onStatus?.(data.message ?? "", data, id);
        else onComplete?.(data);
      }
    } catch (error) {
      if (error instanceof StreamError) onError?.(error);
      throw error;
    }
    return this.#fold.text;
  }

  // A connection from before the network was gone may be dead and silent. Where another one costs nothing, it is given up.
  #followNetwork() {
    if (!origin(this.#response.headers).streamId) return () => {};
    return this.#environment.onOnline(() => this.disconnect());
  }

  async *#read() {
    if (this.#reason) throw this.#reason;
    this.#body = this.#response.body?.getReader() ?? null;
    const type = this.#response.headers.get("content-type") ?? "";
    if (!this.#response.ok) throw errorOfResponse(this.#response, await this.#text(), this.#environment.date());
    if (type.includes("html")) throw new StreamError(StreamErrorType.PARSE, "The server sent a page instead of a stream.", { code: "not_a_stream" });
    yield* type.includes("json") ? this.#readWhole() : this.#readStream();
    if (!this.#done && !this.#fold.isFinished && !this.#detector.endsWithStream) throw truncated();
    const whole = { final_response: this.#fold.text, completion: this.#fold.completion() };
    yield* this.#emit({ type: "complete", data: whole, id: this.lastEventId, chunk: null });
    this.#tell("complete", whole);
  }

  async *#readStream() {
    for (let bytes; !this.#done && (bytes = await this.#next()); ) {
      this.#parser.feed(bytes);
      yield* this.#drain();
    }
    if (!this.#done) yield* this.#unfinished();
  }

  // An answer that is no stream: the upstream had none to give.
  async *#readWhole() {
    this.#arrived.push({ type: "message", data: await this.#text() });
    yield* this.#drain();
  }

  async #text() {
    const decoder = new TextDecoder();
    let text = "";
    for (let bytes; (bytes = await this.#next()); ) text += decoder.decode(bytes, { stream: true });
    return text + decoder.decode();
  }

  // The next bytes, null at the end. What fails after the last choice has ended takes nothing from the answer.
  async #next() {
    if (this.#body === null) return null;
    let read;
    this.#watchdog.start();
    try {
      read = await this.#body.read();
    } catch (cause) {
      this.#reason ??= cause?.name === "AbortError" ? cancelled(cause) : unreachable(cause);
    } finally {
      this.#watchdog.stop();
    }
    if (this.#reason && !(this.#reason.retryable && this.#fold.isFinished)) throw this.#reason;
    if (!read || read.done) return null;
    this.#bytes += read.value.byteLength;
    return read.value;
  }

  // A last event without its blank line counts when it is whole: half an object is never JSON.
  async *#unfinished() {
    const event = this.#parser.end();
    if (event === null) return;
    try {
      if (event.data.trim() !== "[DONE]" && this.#detector.format !== "raw") JSON.parse(event.data);
    } catch {
      return;
    }
    this.#arrived.push(event);
    yield* this.#drain();
  }

  async *#drain() {
    for (let event; !this.#done && (event = this.#arrived.shift()); ) {
      this.#events += 1;
      const meaning = this.#detector.read(event);
      if (meaning?.error) throw errorOfEvent(meaning.error);
      if (meaning?.done) this.#done = true;
      if (meaning?.chunk) yield* this.#chunk(meaning, event.lastEventId ?? "");
      if (this.#reason && !this.#reason.retryable) throw this.#reason;
    }
  }

  async *#chunk({ chunk, whole, last }, id) {
    if (last) this.#done = true;
    if (typeof whole === "string" && !this.#fold.text) chunk.choices[0].delta.content = whole;
    this.#fold.add(chunk);
    const [choice] = chunk.choices;
    const content = choice?.delta?.content ?? choice?.message?.content ?? choice?.text ?? "";
    const index = this.#fold.chunks - 1;
    if (choice || chunk.usage) yield* this.#emit({ type: "chunk", data: { content, index }, id, chunk });
    if (chunk.llms) yield* this.#emit({ type: "status", data: statusOf(chunk.llms), id, chunk });
  }

  async *#emit(event) {
    this.#tell("data", event);
    yield event;
  }

  #tell(name, value) {
    for (const callback of this.#listeners[name]) callback(value);
  }

  #stop(reason) {
    if (this.#state === "ended" || this.#reason) return;
    this.#reason = reason;
    (this.#body ?? this.#response.body)?.cancel().catch(() => {});
  }

  #fail(error) {
    error.afterFirstChunk = this.#fold.chunks > 0;
    error.keep(this.#fold.text, this.#fold.completion());
    const { requestId, provider, model, streamId } = origin(this.#response.headers);
    error.requestId ??= requestId;
    error.provider ??= provider;
    error.model ??= model;
    error.streamId ??= streamId;
    error.lastEventId ??= this.lastEventId || null;
    this.#tell("error", error);
    return error;
  }

  #close() {
    this.#state = "ended";
    this.#body?.cancel().catch(() => {});
  }
}

function statusOf(llms) {
  return typeof llms.percent === "number" ? { ...llms, progress: llms.percent / 100 } : { ...llms };
}
