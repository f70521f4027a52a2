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
