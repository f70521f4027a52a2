// A clock that moves by hand, and answers that are written by hand.

const settle = async () => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

// The environment of the stream client: `advance` runs what is due, `waits` lists the waits asked for, in milliseconds.
export class Stage {
  time = 0;
  waits = [];
  requests = [];
  #timers = new Map();
  #next = 1;

  // answers: functions (request) => Response, one for each request in turn; the last one serves all further ones.
  constructor({ answers = [], random = 0.5 } = {}) {
    this.answers = answers;
    this.environment = {
      now: () => this.time,
      date: () => Date.UTC(2026, 0, 1) + this.time,
      random: () => random,
      setTimeout: (call, milliseconds) => this.#set(call, milliseconds),
      clearTimeout: (timer) => this.#timers.delete(timer),
      fetch: (url, init) => this.#fetch(url, init),
    };
  }

  get pending() {
    return this.#timers.size;
  }

  async advance(milliseconds) {
    const until = this.time + milliseconds;
    await settle();
    for (let due; (due = this.#due(until)); await settle()) {
      this.time = due[1].at;
      this.#timers.delete(due[0]);
      due[1].call();
    }
    this.time = until;
  }

  // Lets time pass until the promise is settled, at most 20 minutes.
  async until(promise) {
    let isSettled = false;
    promise.then(
      () => (isSettled = true),
      () => (isSettled = true),
    );
    for (let step = 0; step < 1200 && !isSettled; step += 1) await this.advance(1000);
    if (!isSettled) throw new Error("It never came to an end.");
    return promise;
  }

  #set(call, milliseconds) {
    this.waits.push(milliseconds);
    this.#timers.set(this.#next, { call, at: this.time + milliseconds });
    return this.#next++;
  }

  #due(until) {
    return [...this.#timers].filter(([, timer]) => timer.at <= until).sort(([, one], [, other]) => one.at - other.at)[0];
  }

  async #fetch(url, init) {
    const body = init.body === undefined ? null : JSON.parse(init.body);
    const request = { url, method: init.method, headers: init.headers, body, signal: init.signal };
    this.requests.push(request);
    const answer = this.answers[Math.min(this.requests.length, this.answers.length) - 1];
    return answer(request);
  }
}

export const encode = (text) => new TextEncoder().encode(text);
export const event = (value) => `data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`;
export const piece = (content, finishReason = null) => ({ choices: [{ index: 0, delta: { content }, finish_reason: finishReason }] });
export const DONE = event("[DONE]");

// A response of the given parts: texts, bytes, or an Error, which cuts the connection there. `open` never ends it.
export function response(parts, { status = 200, type = "text/event-stream", headers = {}, open = false } = {}) {
  const left = [...parts];
  const state = { isCancelled: false };
  const body = new ReadableStream({
    async pull(controller) {
      await Promise.resolve();
      if (!left.length) return open ? new Promise(() => {}) : controller.close();
      const part = left.shift();
      if (part instanceof Error) controller.error(part);
      else controller.enqueue(typeof part === "string" ? encode(part) : part);
    },
    cancel() {
      state.isCancelled = true;
    },
  });
  return Object.assign(new Response(body, { status, headers: { "content-type": type, ...headers } }), { state });
}

export const json = (value, options = {}) => response([JSON.stringify(value)], { type: "application/json", ...options });

// A fetch that never answers, but obeys its signal.
export const never = ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(Object.assign(new Error("aborted"), { name: "AbortError" }))));

// The same random numbers in every run.
export function dice(seed) {
  let state = seed >>> 0;
  const roll = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit) => Math.floor(roll() * limit);
  return { roll, below, pick: (list) => list[below(list.length)] };
}
