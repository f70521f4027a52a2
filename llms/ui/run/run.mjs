// One answer while it is written: a request, what comes of it as signals, and a way to stop. It knows nothing of threads.
//
//   state      queued, loading, thinking, tool, writing; then done, canceled or error
//   waiting    {name, since, …} until the first piece: "connecting", "provider", "queued" (position), "loading" (percent),
//              "retrying" (attempt, tries, delay, message), "whole_answer"; then null
//   text, reasoning, toolCalls [{id, name, arguments}]
//   progress   the server's last figures (percent, eta_ms, …) or null; warning: a text of the server's, or null
//   timing     see timing.mjs: of now while it is written, of the whole at the end
//   usage, cost, finishReason, provider, requestId: null until they are known
//   error      {type, message, status, code, param, retryable, retryAfter, provider, model, requestId} or null

import { batch, signal } from "../view.mjs";
import { BROWSER } from "../sse/environment.mjs";
import { Fold, StreamError, chatWithModelStream } from "../streaming.mjs";
import { costOf } from "./cost.mjs";
import { Overlap } from "./overlap.mjs";
import { Thinking } from "./thinking.mjs";
import { Timing } from "./timing.mjs";

const FRAME = 32; // milliseconds between two updates of the signals
const WAITS = new Set(["connecting", "retrying", "whole_answer", "queued", "loading"]);

export class Run {
  state = signal("queued");
  waiting = signal(null);
  text = signal("");
  reasoning = signal("");
  toolCalls = signal([]);
  progress = signal(null);
  warning = signal(null);
  timing = signal(null);
  usage = signal(null);
  cost = signal(null);
  finishReason = signal(null);
  provider = signal(null);
  requestId = signal(null);
  error = signal(null);
  reasoningTime = null; // milliseconds from the first thought to the first text
  #request;
  #fallback;
  #price;
  #chat;
  #world;
  #stop = new AbortController();
  #listeners = new Set();
  #fold = new Fold();
  #thinking = new Thinking();
  #overlap;
  #timing;
  #written = "";
  #thought = "";
  #firstThought = null;
  #timer = null;

  // id: of the message; model: its id. request: a body of /v1/chat/completions. All else is optional: price (see cost.mjs),
  // begun: a text that the answer goes on with; fallback: the body to send where the server does not take the first (400);
  // chat, environment: for tests.
  constructor({ id, model, request, price = null, begun = "", fallback = null, chat = chatWithModelStream, environment = {} }) {
    this.id = id;
    this.model = model;
    this.#request = request;
    this.#fallback = fallback;
    this.#price = price;
    this.#chat = chat;
    this.#world = { ...BROWSER, ...environment };
    this.#overlap = new Overlap(begun);
    this.#timing = new Timing(this.#world.now());
    this.begun = begun;
    this.text.value = begun;
    this.startedAt = this.#world.now(); // on the clock of `performance`
    this.#wait("connecting");
  }

  get isActive() {
    return !["done", "canceled", "error"].includes(this.state.peek());
  }

  // Whether nothing was received yet that is worth keeping.
  get isEmpty() {
    return !this.#written && !this.#thought && !this.toolCalls.peek().length;
  }

  // All there is at this moment; the signals may be a frame behind.
  get content() {
    return { text: this.begun + this.#written, reasoning: this.#thought, toolCalls: this.toolCalls.peek() };
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
      if (!(error instanceof StreamError)) {
        this.#end("error", null, { type: "INTERNAL", message: String(error?.message ?? error), retryable: true });
        throw error;
      }
      this.#end(error.type === "CANCELLED" ? "canceled" : "error", error.completion, error.type === "CANCELLED" ? null : cardOf(error));
    }
    return this.state.peek();
  }

  // Ends the answer where it is.
  stop() {
    this.#stop.abort();
  }

  async #ask() {
    try {
      return await this.#send(this.#request);
    } catch (error) {
      if (!this.#fallback || error.status !== 400 || !this.isEmpty) throw error;
      return this.#send(this.#fallback);
    }
  }

  #send(request) {
    const onChunk = (_, chunk) => this.#chunk(chunk);
    const onStatus = (message, status) => this.#status(message, status);
    const onResponse = (response) => this.#answered(response);
    return this.#chat(request, onChunk, onStatus, { signal: this.#stop.signal, onResponse, environment: this.#world });
  }

  #answered({ ok, headers }) {
    this.requestId.value = headers.get("x-request-id");
    this.provider.value = headers.get("x-llms-provider") ?? this.provider.peek();
    if (ok && this.waiting.peek()?.name === "connecting") this.#wait("provider", { provider: this.provider.peek() });
  }

  #status(message, { state, ...figures }) {
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

  #chunk(chunk) {
    this.#fold.add(chunk);
    const choice = chunk.choices?.find(({ index }) => (index ?? 0) === 0);
    const delta = choice?.delta ?? choice?.message ?? {};
    if (chunk.usage) this.#used(chunk.usage);
    if (choice?.finish_reason) this.finishReason.value = choice.finish_reason;
    if (delta.tool_calls?.length) this.#call();
    this.#take(this.#thinking.feed(textIn(delta.content ?? choice?.text)), textIn(delta.reasoning_content ?? delta.reasoning));
  }

  #take({ text, reasoning: inText }, reasoning = "") {
    this.#deliver(text && this.#overlap.feed(text), reasoning + inText);
  }

  #deliver(text, reasoning) {
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
    this.cost.value = costOf(usage, this.#price);
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
    this.#take(this.#thinking.end());
    this.#deliver(this.#overlap.end(), "");
    if (this.#timer !== null) this.#world.clearTimeout(this.#timer);
    this.#timer = null;
    const now = this.#world.now();
    if (this.#firstThought !== null) this.reasoningTime ??= now - this.#firstThought;
    batch(() => {
      if (completion?.usage) this.#used(completion.usage);
      this.#publish();
      this.timing.value = this.#timing.end(now, this.usage.peek()?.completion_tokens ?? null);
      this.waiting.value = null;
      this.error.value = error;
      this.state.value = state;
    });
  }
}

// What a card says of an error, as a plain object that can be kept.
export function cardOf({ type, message, status, code, param, retryable, retryAfter, provider, model, requestId }) {
  return { type, message, status, code, param: param ?? null, retryable, retryAfter, provider, model, requestId };
}

function callsOf({ tool_calls: calls = [] }) {
  return calls.map((call, index) => ({ id: call.id ?? `call_${index}`, name: call.function.name, arguments: call.function.arguments }));
}

// The text of a content, which some upstreams send as a list of parts.
function textIn(content) {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part) => (typeof part?.text === "string" ? part.text : "")).join("");
}
