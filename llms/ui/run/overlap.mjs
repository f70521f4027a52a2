// A model that goes on with a text tends to repeat its end first. What is repeated is left out, piece by piece.

const LONGEST = 600; // letters of the end that may be repeated
const SHORTEST = 12; // fewer may be chance

export class Overlap {
  #tail;
  #held;
  #isOpen;

  // text: what is there already; state: of another one, which this one goes on from.
  constructor(text, { held = "", isOpen = text.length >= SHORTEST } = {}) {
    this.#tail = text.slice(-LONGEST);
    this.#held = held;
    this.#isOpen = isOpen;
  }

  get state() {
    return { held: this.#held, isOpen: this.#isOpen };
  }

  // Takes a piece of what follows; returns what of it is new, which may be nothing for now.
  feed(piece) {
    if (!this.#isOpen) return piece;
    this.#held += piece;
    return this.#mayRepeat() ? "" : this.end();
  }

  // What was held back when the answer ends.
  end() {
    const held = this.#held;
    this.#held = "";
    this.#isOpen = false;
    return held.slice(this.#repeated(held));
  }

  // Whether what came so far lies inside the tail, so that more of the tail may follow.
  #mayRepeat() {
    const at = this.#tail.indexOf(this.#held);
    return at >= 0 && (at + this.#held.length < this.#tail.length || this.#held.length < SHORTEST);
  }

  // How many letters of the text are the end of the tail once more.
  #repeated(text) {
    for (let size = Math.min(text.length, this.#tail.length); size >= SHORTEST; size -= 1) {
      if (this.#tail.endsWith(text.slice(0, size))) return size;
    }
    return 0;
  }
}
