// The tabs of one browser: what they tell each other, which of them writes a message, and when one is about to go.

// What tabs tell each other. Each tab keeps its own view of the database and hears {store, id, rev, …} when another one
// has written; {ask: {…}} is for whoever can answer. A browser without BroadcastChannel has tabs that don't know each other.

export class Channel {
  #channel = null;
  #listeners = new Set();

  constructor({ name = "llms", BroadcastChannel = globalThis.BroadcastChannel } = {}) {
    if (!BroadcastChannel) return;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#heard(data);
  }

  // A note about a record.
  tell(note) {
    this.#channel?.postMessage(note);
  }

  // A question, an answer, an order: anything with a name.
  say(name, value) {
    this.#channel?.postMessage({ [name]: value });
  }

  // Hears notes about records.
  listen(callback) {
    return this.#add((data) => data?.store && callback(data));
  }

  // Hears what was said under a name.
  on(name, callback) {
    return this.#add((data) => data && Object.hasOwn(data, name) && callback(data[name]));
  }

  close() {
    this.#channel?.close();
    this.#channel = null;
  }

  #add(callback) {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  #heard(data) {
    for (const callback of [...this.#listeners]) callback(data);
  }
}

// Who writes a message: one tab, for as long as it lives. The others learn when it is gone, by a Web Lock that the browser
// frees, or where there are none (a page over plain HTTP) by asking, which a writer answers.
//
//   hold(id)             resolves with a function that lets go
//   watch(id, onGone)    calls back once nobody holds it, in one tab that holds it until the promise of onGone is settled;
//                        returns a function that stops watching

export function writersOf({ channel, locks = globalThis.navigator?.locks, timers = globalThis, random = Math.random }) {
  return locks ? new LockedWriters(locks) : new AskedWriters(channel, timers, random);
}

const PERIOD = 2000; // milliseconds between two questions
const PATIENCE = 2; // questions without an answer

class LockedWriters {
  #locks;

  constructor(locks) {
    this.#locks = locks;
  }

  hold(id) {
    return new Promise((taken) => {
      this.#locks.request(nameOf(id), () => new Promise((free) => taken(free))).catch(() => taken(() => {}));
    });
  }

  watch(id, onGone) {
    const leaving = new AbortController();
    const { signal } = leaving;
    this.#locks.request(nameOf(id), { signal }, () => signal.aborted || onGone()).catch(() => {});
    return () => leaving.abort();
  }
}

class AskedWriters {
  #channel;
  #timers;
  #random;
  #held = new Set();
  #watched = new Map();

  constructor(channel, timers, random) {
    this.#channel = channel;
    this.#timers = timers;
    this.#random = random;
    channel.on("who_writes", (id) => this.#held.has(id) && channel.say("i_write", id));
    channel.on("i_write", (id) => this.#watched.get(id)?.forEach((watch) => (watch.silent = 0)));
  }

  async hold(id) {
    this.#held.add(id);
    return () => this.#held.delete(id);
  }

  watch(id, onGone) {
    const watch = { silent: 0, timer: null };
    if (!this.#watched.has(id)) this.#watched.set(id, new Set());
    this.#watched.get(id).add(watch);
    const stop = () => {
      this.#timers.clearTimeout(watch.timer);
      this.#watched.get(id)?.delete(watch);
    };
    const ask = () => {
      if (this.#held.has(id)) watch.silent = 0;
      else if (watch.silent > PATIENCE) return stop(), this.#takeOver(id, onGone);
      watch.silent += 1;
      this.#channel.say("who_writes", id);
      // Several tabs may notice; the one whose last wait is the shortest is the next to hold it, and says so.
      watch.timer = this.#timers.setTimeout(ask, watch.silent > PATIENCE ? PERIOD * this.#random() : PERIOD);
      return undefined;
    };
    ask();
    return stop;
  }

  async #takeOver(id, onGone) {
    this.#held.add(id);
    this.#channel.say("i_write", id);
    await onGone();
    this.#held.delete(id);
  }
}

function nameOf(id) {
  return `llms-writes-${id}`;
}

// Calls back when the page may be about to go: hidden, closed, or put aside. It is the last moment to write.

// callback({isFinal}): isFinal where the page does not come back.
export function onLeaving(callback, { document, window = document?.defaultView } = globalThis) {
  if (!document) return () => {};
  const hidden = () => document.visibilityState === "hidden" && callback({ isFinal: false });
  const left = ({ persisted }) => callback({ isFinal: !persisted });
  document.addEventListener("visibilitychange", hidden);
  window.addEventListener("pagehide", left);
  return () => {
    document.removeEventListener("visibilitychange", hidden);
    window.removeEventListener("pagehide", left);
  };
}
