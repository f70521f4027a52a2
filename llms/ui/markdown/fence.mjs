// A fence that is still open: its text grows in one text node, and nothing is lexed until its closing line comes.

import { closingLine, fenceOf } from "./blocks.mjs";

const MAY_CLOSE = /^ {0,3}(?:`+|~+) *$/;
const HALF_CHARACTER = /[\ud800-\udbff]$/;

export class OpenFence {
  #node;
  #shown; // where in the text the part that the node does not hold begins
  #line; // where the last line begins that may still become the closing one
  #closing;

  // figure: the block as it was drawn; start: where in the text the fence begins. Null for one that is indented.
  static of(figure, token, start) {
    const [, indent, marks] = fenceOf(token);
    const node = figure?.querySelector("code")?.firstChild;
    return node && indent === "" ? new OpenFence(node, marks, start + token.raw.indexOf("\n") + 1) : null;
  }

  constructor(node, marks, content) {
    this.#node = node;
    this.#shown = this.#line = content;
    this.#closing = closingLine(marks);
    node.data = "";
  }

  // Shows the text so far; returns false once the closing line has come.
  grow(text) {
    const end = text.lastIndexOf("\n") + 1;
    if (end > this.#line) {
      this.#closing.lastIndex = 0;
      if (this.#closing.test(text.slice(this.#line, end - 1))) return false;
      this.#line = end;
    }
    const shown = this.#end(text);
    if (shown > this.#shown) this.#node.appendData(text.slice(this.#shown, shown));
    this.#shown = Math.max(this.#shown, shown);
    return true;
  }

  // Holds back the last line end, marks that may become the closing line, and half a character.
  #end(text) {
    if (MAY_CLOSE.test(text.slice(this.#line)) || text.length === this.#line) return this.#line - 1;
    return text.length - (HALF_CHARACTER.test(text) ? 1 : 0);
  }
}
