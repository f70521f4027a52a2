// A stream whose connection is gone, read on from where it was lost: GET /v1/streams/{id}. The server makes the answer
// without us for a while. Where events cannot be had, its state is asked for instead; what it no longer has is said.

import { delayAfter } from "./backoff.mjs";
import { BROWSER } from "./environment.mjs";
import { StreamError, StreamErrorType, cancelled, errorOfEvent, errorOfResponse } from "./errors.mjs";
import { open } from "./opening.mjs";
import { SSEStreamReader } from "./reader.mjs";
import { SILENCE } from "./watchdog.mjs";

export const RECONNECTS = 5; // in a row, none of which brings anything
const ROUNDS = 3; // of reconnecting, while the server answers questions about the stream
const QUESTIONS = 3; // that may stay without an answer
const PERIOD = 2000; // milliseconds between two questions

// Reads to the end; resolves when the answer is whole, throws a StreamError. position: {id, after: the id of the last event
// that was read, letters: how much text the events brought}, which the callbacks keep up to date: onChunk(text, chunk, id),
// onStatus(message, status, id), with the states of ours reconnecting {attempt, tries, delay}, reconnected, and
// gap where all text is there and thoughts or tool calls may not be. failure: the error that ended the last connection.
export async function takeUp(position, { failure = null, ...options }) {
  return new Resumption(position, options).run(failure);
}

// Ends the answer at the server. Nobody hears whether that came to be: a stream without readers ends by itself.
export function cancelStream(id, { environment = {} } = {}) {
  const { fetch } = { ...BROWSER, ...environment };
  fetch(pathOf(id), { method: "DELETE", keepalive: true, credentials: "same-origin" }).catch(() => {});
}

class Resumption {
  #position;
  #callbacks;
  #signal;
  #silence;
  #world;

  constructor(position, { callbacks, signal = null, silence = SILENCE, environment = {} }) {
    this.#position = position;
    this.#callbacks = callbacks;
    this.#signal = signal;
    this.#silence = silence;
    this.#world = { ...BROWSER, ...environment };
  }

  async run(failure) {
    for (let round = 1; ; round += 1) {
      const last = await this.#reconnect(failure);
      if (last === null) return;
      const state = await this.#state(last);
      if (round === ROUNDS || last.code === "silence") return void (await this.#poll(state));
      failure = last;
    }
  }

  // Connects until all is read (null), or until so many tries in a row brought nothing (the last failure). Where the
  // browser says that there is no network, which may be true, tries go on and do not count.
  async #reconnect(failure) {
    for (let failures = failure ? 1 : 0; failures <= RECONNECTS; ) {
      if (failures) await this.#wait(failure, failures);
      const { after } = this.#position;
      try {
        return await this.#read();
      } catch (error) {
        await this.#judge(error);
        failure = error;
      }
      const hasMoved = this.#position.after > after;
      failures = hasMoved || failures === 0 ? 1 : failures + (this.#world.isOnline() ? 1 : 0);
    }
    return failure;
  }

  // Returns null when the stream is read to its end.
  async #read() {
    const connection = new AbortController();
    const path = `${pathOf(this.#position.id)}?starting_after=${this.#position.after}`;
    const response = await this.#open(connection, path, "text/event-stream");
    if (response.status === 204) return this.#settle(await this.#state(null));
    if (response.ok) this.#tell("reconnected");
    const reader = new SSEStreamReader(response, { signal: this.#signal, silence: this.#silence, environment: this.#world });
    const isOld = (id) => id && Number(id) <= this.#position.after;
    const onChunk = (text, chunk, id) => isOld(id) || this.#callbacks.onChunk(text, chunk, id);
    try {
      await reader.readToCompletion({ onChunk, onStatus: this.#callbacks.onStatus });
    } finally {
      connection.abort();
    }
    return null;
  }

  // Throws what cannot be mended by coming again; where only the events are gone, gets their text.
  async #judge(error) {
    if (!(error instanceof StreamError)) throw error;
    if (isExpired(error)) await this.#skip(error);
    else if (!mayComeAgain(error)) throw lost(error);
  }

  async #skip(error) {
    if (error.partial !== null) this.#bring(error.partial);
    const state = await this.#state(error);
    this.#bringState(state, error);
  }

  // {status, text, last_event_id, usage, error, …} of the stream.
  async #state(failure) {
    for (let made = 1; ; made += 1) {
      try {
        return await this.#question();
      } catch (error) {
        if (!(error instanceof StreamError) || !mayComeAgain(error)) throw lost(error);
        if (made >= QUESTIONS) throw failure ?? error;
        await this.#wait(error, made);
      }
    }
  }

  async #question() {
    const connection = new AbortController();
    const response = await this.#open(connection, pathOf(this.#position.id), "application/json");
    const text = await response.text().catch(() => "");
    if (!response.ok) throw errorOfResponse(response, text, this.#world.date());
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new StreamError(StreamErrorType.PARSE, "The server answered something else than the state of the stream.", { code: "not_a_stream", cause });
    }
  }

  // Text without events, for as long as the answer is made.
  async #poll(state) {
    for (;;) {
      this.#bringState(state, null);
      if (state.status !== "in_progress") return this.#settle(state);
      await rest(PERIOD, this.#signal, this.#world);
      state = await this.#state(null);
    }
  }

  // A stream that is over and all of whose text is here.
  #settle({ status, finish_reason: reason, usage, error }) {
    const choices = reason ? [{ index: 0, delta: {}, finish_reason: reason }] : [];
    if (reason || usage) this.#callbacks.onChunk("", { choices, ...(usage && { usage }) }, "");
    if (status === "failed") throw errorOfEvent({ message: "", ...error });
    if (status === "cancelled") throw error ? errorOfEvent(error) : cancelled();
    return null;
  }

  #bringState({ text, text_is_whole: isWhole, last_event_id: id }, error) {
    this.#bring(text, String(id));
    if (isWhole === false) throw lost(error);
    this.#tell("gap");
  }

  // The text of the answer so far; what of it is new goes out as a chunk.
  #bring(text, id = "") {
    const more = text.slice(this.#position.letters);
    if (!more && !id) return;
    this.#callbacks.onChunk(more, { choices: [{ index: 0, delta: { content: more }, finish_reason: null }] }, id);
  }

  #open(connection, path, type) {
    const init = { method: "GET", headers: { Accept: type }, cache: "no-store", signal: connection.signal, credentials: "same-origin" };
    return open(connection, this.#silence, this.#signal, this.#world, () => this.#world.fetch(path, init));
  }

  async #wait(error, failures) {
    const delay = delayAfter(error, this.#world.isOnline() ? failures : RECONNECTS, this.#world);
    this.#tell("reconnecting", { attempt: failures, tries: RECONNECTS, delay });
    await rest(delay, this.#signal, this.#world);
  }

  #tell(state, facts = {}) {
    this.#callbacks.onStatus("", { state, ...facts }, "");
  }
}

function pathOf(id) {
  return `/v1/streams/${encodeURIComponent(id)}`;
}

function isExpired({ status, code }) {
  return status === 410 || code === "replay_expired";
}

// A page in the place of a stream is a network that wants something of its person first.
function mayComeAgain({ resumable, retryable, code }) {
  return resumable ?? (retryable || code === "not_a_stream");
}

// The server does not know the stream, or no longer all of its text, or knows it as one that is shorter: made anew.
function lost(error) {
  if (error !== null && !isExpired(error) && ![400, 404].includes(error.status)) return error;
  const facts = { code: "stream_gone", status: error?.status, retryable: false, cause: error };
  return new StreamError(StreamErrorType.SERVER, "The server no longer has the rest of this answer.", facts);
}

// Resolves after so many milliseconds, or as soon as the network is back.
function rest(milliseconds, signal, world) {
  return new Promise((resolve, reject) => {
    const end = (settle, value) => {
      world.clearTimeout(timer);
      stopListening();
      signal?.removeEventListener("abort", stop);
      settle(value);
    };
    const stop = () => end(reject, cancelled(signal.reason));
    const timer = world.setTimeout(() => end(resolve), milliseconds);
    const stopListening = world.onOnline(() => end(resolve));
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
  });
}
