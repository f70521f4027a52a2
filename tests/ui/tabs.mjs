// A browser with several tabs: one database, channels between the tabs, locks that are free when their tab is gone.

import "./vendored.mjs";

const { MemoryDatabase } = await import("../../llms/ui/store/memory.mjs");
const { Channel } = await import("../../llms/ui/store/tabs.mjs");
const { writersOf } = await import("../../llms/ui/store/tabs.mjs");
const { ThreadStore } = await import("../../llms/ui/threadStore.mjs");

export const settle = async (turns = 20) => {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

// Timers that run when they are told to.
export class Timers {
  time = 1_800_000_000_000;
  #due = new Map();
  #next = 1;

  now = () => this.time;

  setTimeout = (call, milliseconds) => {
    this.#due.set(this.#next, { call, at: this.time + milliseconds });
    return this.#next++;
  };

  clearTimeout = (timer) => this.#due.delete(timer);

  async advance(milliseconds) {
    const until = this.time + milliseconds;
    await settle();
    for (;;) {
      const [first] = [...this.#due].filter(([, { at }]) => at <= until).sort(([, one], [, other]) => one.at - other.at);
      if (!first) break;
      this.time = first[1].at;
      this.#due.delete(first[0]);
      first[1].call();
      await settle();
    }
    this.time = until;
  }
}

// A database whose answers take their time: what a reading says may be old when it arrives. `turns` tells how many turns
// of the event loop the next one takes.
export class SlowDatabase extends MemoryDatabase {
  constructor(turns) {
    super();
    for (const name of ["get", "all", "where"]) {
      const read = this[name].bind(this);
      this[name] = async (...given) => {
        const lasting = turns();
        const found = await read(...given);
        await settle(lasting);
        return found;
      };
    }
  }
}

export class Browser {
  timers = new Timers();
  database;
  #hasLocks;
  #channels = new Set();
  #locks = new Map();

  constructor({ locks = true, database = new MemoryDatabase() } = {}) {
    this.#hasLocks = locks;
    this.database = database;
  }

  // A tab: {store, kill}. A killed tab says nothing more and holds nothing.
  async tab() {
    const tab = { isDead: false };
    const channel = new Channel({ BroadcastChannel: this.#channelClass(tab) });
    const timers = { setTimeout: (call, after) => this.timers.setTimeout(() => tab.isDead || call(), after), clearTimeout: this.timers.clearTimeout };
    const writers = writersOf({ channel, timers, locks: this.#hasLocks ? this.#lockManager(tab) : undefined });
    tab.store = new ThreadStore({ database: this.database, channel, timers, writers, now: this.timers.now });
    tab.kill = () => {
      tab.isDead = true;
      for (const name of this.#locks.keys()) this.#free(name, tab);
    };
    await tab.store.ready;
    return tab;
  }

  #channelClass(tab) {
    const channels = this.#channels;
    return class {
      onmessage = null;
      constructor() {
        channels.add(this);
      }
      postMessage(data) {
        if (tab.isDead) return;
        for (const other of channels) if (other !== this) setImmediate(() => other.deliver(structuredClone(data)));
      }
      deliver(data) {
        if (!tab.isDead) this.onmessage?.({ data });
      }
      close() {
        channels.delete(this);
      }
    };
  }

  #lockManager(tab) {
    return {
      request: (name, ...rest) => {
        const [{ signal } = {}, callback] = rest.length === 1 ? [{}, rest[0]] : rest;
        const queue = this.#locks.get(name) ?? [];
        this.#locks.set(name, queue);
        return new Promise((resolve, reject) => {
          const entry = { tab, isHeld: false, run: async () => resolve(await callback()) };
          signal?.addEventListener("abort", () => {
            if (entry.isHeld) return;
            queue.splice(queue.indexOf(entry), 1);
            reject(new DOMException("aborted", "AbortError"));
          });
          queue.push(entry);
          this.#serve(name);
        });
      },
    };
  }

  async #serve(name) {
    const queue = this.#locks.get(name);
    const [first] = queue;
    if (!first || first.isHeld) return;
    first.isHeld = true;
    setImmediate(async () => {
      await first.run();
      const at = queue.indexOf(first);
      if (at >= 0) queue.splice(at, 1);
      this.#serve(name);
    });
  }

  #free(name, tab) {
    const queue = this.#locks.get(name);
    const left = queue.filter((entry) => entry.tab !== tab);
    queue.splice(0, queue.length, ...left);
    this.#serve(name);
  }
}
