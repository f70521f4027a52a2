// Keeps an answer while it grows: what there is goes to the thread about once a second, when the page may go, and at
// the end, with its place in the server's stream, so that a reload, a crash or another tab finds all but the last moment of it and can go on.

import { effect } from "../view.mjs";
import { onLeaving } from "../store/tabs.mjs";
import { withMarks } from "../store/message.mjs";
import { checkpointOf } from "./checkpoint.mjs";
import { addUsage, figuresOf } from "./usage.mjs";

const PERIOD = 800; // milliseconds

export class Recorder {
  #run;
  #message;
  #store;
  #base;
  #before;
  #timers;
  #timer = null;
  #writing = null;
  #isDue = false;
  #isGone = false;
  #stops = [];
  #stopLeaving = () => {};

  // message: as it is kept now; store: the thread store. base: parts of the message that stay before what the run brings;
  // before: the message as it was, where the run goes on with it.
  constructor({ run, message, store, base = [], before = null, timers = globalThis }) {
    this.#run = run;
    this.#message = message;
    this.#store = store;
    this.#base = base;
    this.#before = before;
    this.#timers = timers;
  }

  start() {
    const soon = () => (this.#timer ??= this.#timers.setTimeout(() => this.#write(), PERIOD));
    this.#stops.push(this.#run.onDelta(soon));
    this.#stops.push(effect(() => void (this.#run.state.value, this.#run.toolCalls.value, soon())));
    this.#stopLeaving = onLeaving((options) => this.#writeNow(options));
  }

  // Writes the whole answer, for good. Resolves with whether it is kept.
  async end() {
    await this.#rest();
    const isKept = this.#isGone || (await this.#put({ relaxed: false }));
    this.#stopLeaving();
    return isKept;
  }

  // Ends without a last write: the message is not to stay.
  async abandon() {
    this.#stopLeaving();
    await this.#rest();
  }

  async #rest() {
    for (const stop of this.#stops) stop();
    this.#timers.clearTimeout(this.#timer);
    await this.#writing;
  }

  // One write at a time; what comes meanwhile goes with the next.
  async #write() {
    this.#timers.clearTimeout(this.#timer);
    this.#timer = null;
    this.#isDue = true;
    if (this.#writing) return;
    this.#writing = (async () => {
      while (this.#isDue && !this.#isGone) {
        this.#isDue = false;
        await this.#put();
      }
    })();
    await this.#writing;
    this.#writing = null;
  }

  // A write that fails (no room) loses nothing here: the page still shows the answer, and says what is wrong.
  async #put(options) {
    try {
      const message = await this.#store.patchMessage(this.#message.id, this.#fields(), options);
      this.#isGone = message === null;
      this.#message = message ?? this.#message;
    } catch {
      return false;
    }
    if (this.#isGone) this.#run.stop();
    return true;
  }

  // A page that is left loses its connections first: that is no failure of the answer, it ends with its page.
  #writeNow(options) {
    if (this.#isGone) return;
    const fields = this.#fields();
    const isCut = fields.status === "error" && fields.error?.code === "connection_lost";
    const message = { ...this.#message, ...fields, ...(isCut && { status: "interrupted", error: null }) };
    this.#store.keepMessageNow(withMarks(message), options);
  }

  #fields() {
    const { state, usage, timing, error, finishReason, provider, requestId } = this.#run;
    const used = usage.peek();
    return {
      parts: [...this.#base, ...partsOf(this.#run)],
      status: state.peek(),
      usage: addUsage(this.#before?.usage ?? null, used),
      context: figuresOf(used)?.total ?? null,
      cost: added(this.#before?.cost ?? null, this.#run.cost.peek()),
      timing: this.#run.isActive ? (this.#before?.timing ?? null) : timing.peek(),
      error: error.peek(),
      finishReason: finishReason.peek(),
      provider: provider.peek(),
      requestId: requestId.peek(),
      hasGap: this.#run.hasGap.peek(),
      stream: this.#run.isActive || this.#run.isLeft ? checkpointOf(this.#run, { base: this.#base, before: this.#before }) : null,
    };
  }
}

// What a run has brought so far, as parts of a message.
export function partsOf(run) {
  const { text, reasoning, toolCalls } = run.content;
  return [
    ...(reasoning ? [{ type: "reasoning", text: reasoning, duration: run.reasoningTime }] : []),
    ...(text ? [{ type: "text", text }] : []),
    ...toolCalls.map((call) => ({ type: "tool_call", ...call })),
  ];
}

function added(one, other) {
  return one === null && other === null ? null : (one ?? 0) + (other ?? 0);
}
