// The content of an answer as it comes: what of it is text and what is thought, without what repeats the beginning.

import { Overlap } from "./overlap.mjs";
import { Thinking } from "./thinking.mjs";

export class Wording {
  #thinking;
  #overlap;

  // begun: a text that the answer goes on with; state: of another one, which this one goes on from.
  constructor(begun, { thinking, overlap } = {}) {
    this.#thinking = new Thinking(thinking);
    this.#overlap = new Overlap(begun, overlap);
  }

  // What had come and could not be told yet.
  get state() {
    return { thinking: this.#thinking.state, overlap: this.#overlap.state };
  }

  // Takes a piece; returns what it says: {text, reasoning}, either may be empty for now.
  feed(piece) {
    const { text, reasoning } = this.#thinking.feed(piece);
    return { text: text && this.#overlap.feed(text), reasoning };
  }

  // What was held back when the answer ends.
  end() {
    const { text, reasoning } = this.#thinking.end();
    return { text: (text && this.#overlap.feed(text)) + this.#overlap.end(), reasoning };
  }
}
