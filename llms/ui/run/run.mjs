// One answer while it is written: a request, what comes of it as signals, and a way to stop. It knows nothing of threads.

import { batch } from "../view.mjs";
import { BROWSER } from "../sse/environment.mjs";
import { cancelStream, takeUp } from "../sse/resuming.mjs";
import { STREAMING } from "../settings.mjs";
import { Fold, StreamError, chatWithModelStream } from "../streaming.mjs";
import { cardOf } from "./card.mjs";
import { costOf } from "./cost.mjs";
import { callsOf, chunkOf, textIn } from "./deltas.mjs";
import { Timing } from "./timing.mjs";
import { Told } from "./told.mjs";
import { Wording } from "./wording.mjs";

const FRAME = 32; // milliseconds between two updates of the signals
const WAITS = new Set(["connecting", "retrying", "whole_answer", "queued", "loading"]);

export class Run extends Told {
  reasoningTime = null; // milliseconds from the first thought to the first text
  isLeft = false; // given up for want of a connection: the server may have the rest
  #request;
  #fallback;
  #position = { id: null, after: 0, letters: 0 }; // in the server's stream: see sse/resuming.mjs
  #chat;
  #world;
  #stop = new AbortController();
  #listeners = new Set();
  #fold = new Fold();
  #wording;
  #timing = null;
  #written = "";
  #thought = "";
  #firstThought = null;
  #timer = null;

  // id: of the message; model: its id. request: a body of /v1/chat/completions. All else is optional: price (see cost.mjs),
  // begun: a text that the answer goes on with; fallback: the body to send where the server does not take the first (400);
  // kept: what another page has left of this answer (see checkpoint.mjs), to be taken up in the place of a request;
  // chat, environment: for tests.
  constructor({ id, model, request = null, price = null, begun = "", fallback = null, kept = null, chat = chatWithModelStream, environment = {} }) {
    super();
    this.id = id;
    this.model = model;
    this.#request = request;
    this.#fallback = fallback;
    this.price = price;
    this.#chat = chat;
    this.#world = { ...BROWSER, ...environment };
    this.#wording = new Wording(begun, kept?.wording);
    this.begun = begun;
    this.startedAt = this.#world.now() - (kept ? this.#world.date() - kept.startedAt : 0); // on the clock of `performance`
    if (kept) this.#goOnFrom(kept);
    this.#timing ??= new Timing(this.startedAt);
    this.text.value = begun + this.#written;
    if (this.isEmpty) this.#wait("connecting");
  }

  get isActive() {
    return !["done", "canceled", "error"].includes(this.state.peek());
  }

  // Whether nothing was received yet that is worth keeping.
  get isEmpty() {
    return !this.#written && !this.#thought && !this.toolCalls.peek().length;
  }

  // Of the server's stream, which can be taken up again and followed by others; null without one.
  get streamId() {
    return this.#position.id;
  }

  // All there is at this moment; the signals may be a frame behind.
  get content() {
    return { text: this.begun + this.#written, reasoning: this.#thought, toolCalls: this.toolCalls.peek() };
  }

  // What another page needs to go on from here, beside the content; null where none can.
  get checkpoint() {
    if (!this.streamId) return null;
    const startedAt = this.#world.date() - (this.#world.now() - this.startedAt);
    const { reasoningTime, timing } = this;
    return { ...this.#position, wording: this.#wording.state, startedAt, ttft: timing.peek()?.ttft ?? null, reasoningTime, usage: this.usage.peek(), begun: this.begun.length };
  }

  // Calls back with ({text, reasoning}) for each new piece, at once; returns a function that stops that.
  onDelta(callback) {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  // Resolves with the final state: done, canceled or error.
  async start() {
    try {
      const completion = await this.#ask();
      this.#end("done", completion, null);
    } catch (error) {
      if (error.type === "PARSE" || !(error instanceof StreamError)) this.#cancel();
      if (!(error instanceof StreamError)) {
        this.#end("error", null, { type: "INTERNAL", message: String(error?.message ?? error), retryable: true });
        throw error;
      }
      this.isLeft = error.isLostConnection && this.streamId !== null;
      this.#end(error.type === "CANCELLED" ? "canceled" : "error", error.completion, error.type === "CANCELLED" ? null : cardOf(error));
    }
    return this.state.peek();
  }

  // Ends the answer where it is, at the server too: to leave is not enough where it goes on without us.
  stop() {
    if (!this.isActive || this.#stop.signal.aborted) return;
    this.leave();
    this.#cancel();
  }

  // Reads no more; the server goes on.
  leave() {
    this.#stop.abort();
  }

  #cancel() {
    if (this.streamId) cancelStream(this.streamId, { environment: this.#world });
  }

  #goOnFrom({ id, after, letters, text, reasoning, toolCalls, ttft, reasoningTime, usage, ...facts }) {
    this.#position = { id, after, letters };
    [this.#written, this.#thought, this.reasoningTime] = [text, reasoning, reasoningTime];
    this.reasoning.value = reasoning;
    if (reasoning) this.#firstThought = this.startedAt + (ttft ?? 0);
    if (toolCalls.length) this.#fold.add(chunkOf(toolCalls));
    this.toolCalls.value = toolCalls;
    const first = ttft === null ? null : this.startedAt + ttft;
    this.#timing = new Timing(this.startedAt, { first, letters: text.length + reasoning.length });
    for (const name of ["finishReason", "provider", "requestId", "hasGap"]) this[name].value = facts[name];
    if (usage) this.#used(usage);
    if (!this.isEmpty) this.state.value = text ? "writing" : toolCalls.length ? "tool" : "thinking";
  }

  async #ask() {
    if (this.streamId) return this.#takeUp(null);
    try {
      return await this.#send(this.#request).catch((error) => this.#sendOther(error));
    } catch (error) {
      if (!error.canBeTakenUp || this.#stop.signal.aborted) throw error;
      return this.#takeUp(error);
    }
  }

  #sendOther(error) {
    if (!this.#fallback || error.status !== 400 || !this.isEmpty) throw error;
    return this.#send(this.#fallback);
  }

  #send(request) {
    const { onChunk, onStatus } = this.#callbacks;
    const onResponse = (response) => this.#answered(response);
    const headers = request.stream === false ? {} : { "X-LLMS-Stream": STREAMING === "plain" ? "progress" : "resumable, progress" };
    return this.#chat(request, onChunk, onStatus, { headers, signal: this.#stop.signal, onResponse, environment: this.#world });
  }

  // Reads on in the server's stream, which makes the answer whole.
  async #takeUp(failure) {
    await takeUp(this.#position, { callbacks: this.#callbacks, failure, signal: this.#stop.signal, environment: this.#world });
    return null;
  }

  #callbacks = {
    onChunk: (_, chunk, id) => this.#chunk(chunk, id),
    onStatus: (message, status, id) => this.#status(message, status, id),
  };

  #answered({ ok, headers }) {
    this.#position = { id: ok ? headers.get("x-llms-stream-id") : null, after: 0, letters: 0 };
    this.requestId.value = headers.get("x-request-id");
    this.provider.value = headers.get("x-llms-provider") ?? this.provider.peek();
    if (ok && this.waiting.peek()?.name === "connecting") this.#wait("provider", { provider: this.provider.peek() });
  }

  #status(message, { state, ...figures }, id) {
    this.#read(id);
    if (state === "gap") return void (this.hasGap.value = true);
    if (state === "reconnecting" || state === "reconnected") return void (this.reconnecting.value = state === "reconnecting" ? figures : null);
    if (figures.warning) this.warning.value = figures.warning;
    if (WAITS.has(state)) {
      if (this.isEmpty) this.state.value = state === "loading" ? "loading" : "queued";
      const { queue_position: position = null, percent = null, eta_ms: eta = null, attempt, tries, delay } = figures;
      return this.#wait(state, { position, percent, eta, attempt, tries, delay, message });
    }
    this.progress.value = figures;
    this.#timing.tell(figures.tokens);
    if (this.waiting.peek() && this.isEmpty) this.#wait("provider", { provider: this.provider.peek() });
  }

  // The time counts from the beginning of this wait, also when it is told again.
  #wait(name, facts = {}) {
    const former = this.waiting.peek();
    const since = former?.name === name ? former.since : this.#world.now();
    this.waiting.value = { name, since, ...facts };
  }

  // The events up to one were read.
  #read(id) {
    if (id) this.#position.after = Number(id);
  }

  #chunk(chunk, id) {
    this.#fold.add(chunk);
    const choice = chunk.choices?.find(({ index }) => (index ?? 0) === 0);
    const delta = choice?.delta ?? choice?.message ?? {};
    if (chunk.usage) this.#used(chunk.usage);
    if (choice?.finish_reason) this.finishReason.value = choice.finish_reason;
    if (delta.tool_calls?.length) this.#call();
    const text = textIn(delta.content ?? choice?.text);
    this.#position.letters += text.length;
    this.#deliver(this.#wording.feed(text), textIn(delta.reasoning_content ?? delta.reasoning));
    this.#read(id);
  }

  #deliver({ text, reasoning: inText }, thought = "") {
    const reasoning = thought + inText;
    if (!text && !reasoning) return;
    const now = this.#world.now();
    this.#timing.add(text.length + reasoning.length, now);
    this.#written += text;
    this.#thought += reasoning;
    if (reasoning) this.#firstThought ??= now;
    if (text && this.#firstThought !== null) this.reasoningTime ??= now - this.#firstThought;
    for (const callback of this.#listeners) callback({ text, reasoning });
    this.#show(text ? "writing" : "thinking");
  }

  #call() {
    const [{ message }] = this.#fold.completion().choices;
    this.toolCalls.value = callsOf(message);
    this.#show("tool");
  }

  #used(usage) {
    this.usage.value = usage;
    this.cost.value = costOf(usage, this.price);
    this.#timing.tell(usage.completion_tokens);
  }

  // The state at once, the texts with the next frame.
  #show(state) {
    if (this.state.peek() !== state || this.waiting.peek()) {
      batch(() => {
        this.state.value = state;
        this.waiting.value = null;
        this.#publish();
      });
    }
    this.#timer ??= this.#world.setTimeout(() => {
      this.#timer = null;
      batch(() => this.#publish());
    }, FRAME);
  }

  #publish() {
    this.text.value = this.begun + this.#written;
    this.reasoning.value = this.#thought;
    this.timing.value = this.#timing.now(this.#world.now());
  }

  #end(state, completion, error) {
    this.#deliver(this.#wording.end());
    if (this.#timer !== null) this.#world.clearTimeout(this.#timer);
    this.#timer = null;
    const now = this.#world.now();
    if (this.#firstThought !== null) this.reasoningTime ??= now - this.#firstThought;
    batch(() => {
      if (completion?.usage) this.#used(completion.usage);
      this.#publish();
      this.timing.value = this.#timing.end(now, this.usage.peek()?.completion_tokens ?? null);
      this.waiting.value = null;
      this.reconnecting.value = null;
      this.error.value = error;
      this.state.value = state;
    });
  }
}
