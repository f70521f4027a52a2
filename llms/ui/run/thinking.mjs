// Thoughts that an upstream leaves in the text, between tags at its very beginning, told apart piece by piece.

const TAGS = { "<think>": "</think>", "<thinking>": "</thinking>", "[THINK]": "[/THINK]" };

export class Thinking {
  #mode; // start, before (the first thought), thoughts, after (them, before the answer), text
  #held;
  #end;

  // state: of another one, which this one goes on from.
  constructor({ mode = "start", held = "", end = "" } = {}) {
    [this.#mode, this.#held, this.#end] = [mode, held, end];
  }

  get state() {
    return { mode: this.#mode, held: this.#held, end: this.#end };
  }

  // Takes a piece of the answer; returns what it says: {text, reasoning}, either may be empty for now.
  feed(piece) {
    if (this.#mode === "text") return { text: piece, reasoning: "" };
    this.#held += piece;
    if (this.#mode === "start" && !this.#begin()) return { text: "", reasoning: "" };
    if (this.#mode === "before") this.#skipSpace();
    const reasoning = this.#mode === "thoughts" ? this.#thoughts() : "";
    return { text: this.#rest(), reasoning };
  }

  // What was held back when the answer ends.
  end() {
    const [held, mode] = [this.#held, this.#mode];
    this.#held = "";
    this.#mode = "text";
    return { text: mode === "start" ? held : "", reasoning: mode === "thoughts" ? held : "" };
  }

  // Tells whether it is known how the answer begins.
  #begin() {
    const text = this.#held.trimStart();
    const tag = Object.keys(TAGS).find((each) => text.startsWith(each));
    if (!tag && Object.keys(TAGS).some((each) => each.startsWith(text))) return false;
    this.#mode = tag ? "before" : "text";
    if (tag) {
      this.#end = TAGS[tag];
      this.#held = text.slice(tag.length);
    }
    return true;
  }

  #skipSpace() {
    this.#held = this.#held.trimStart();
    if (this.#held) this.#mode = "thoughts";
  }

  #thoughts() {
    const at = this.#held.indexOf(this.#end);
    const upto = at < 0 ? this.#held.length - partAtEnd(this.#held, this.#end) : at;
    const thoughts = this.#held.slice(0, upto);
    this.#held = this.#held.slice(at < 0 ? upto : at + this.#end.length);
    if (at >= 0) this.#mode = "after";
    return thoughts;
  }

  #rest() {
    if (this.#mode === "before" || this.#mode === "thoughts") return "";
    if (this.#mode === "after") this.#held = this.#held.trimStart();
    if (!this.#held) return "";
    const text = this.#held;
    this.#held = "";
    this.#mode = "text";
    return text;
  }
}

// How many letters at the end of a text may be the beginning of a tag.
function partAtEnd(text, tag) {
  for (let size = Math.min(tag.length - 1, text.length); size > 0; size -= 1) if (text.endsWith(tag.slice(0, size))) return size;
  return 0;
}
