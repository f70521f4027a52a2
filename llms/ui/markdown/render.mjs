// A text in Markdown that grows, shown while it does. At the end the page is the same as if all had come at once.

import { listen } from "./actions.mjs";
import { Drawing } from "./drawing.mjs";
import { Frames } from "./frames.mjs";
import { Highlighter } from "./highlight.mjs";
import { LABELS } from "./labels.mjs";
import { Mathematics } from "./math.mjs";
import { mayHoldMath } from "./math_syntax.mjs";

const HIGHLIGHTER = new Highlighter();
const MATHEMATICS = new Mathematics();

export class MarkdownView {
  #element;
  #drawing;
  #frames;
  #highlighter;
  #mathematics;
  #onRender;
  #stopListening;
  #text = "";
  #half = ""; // a carriage return that may be half a line end
  #hasMath = false;
  #isDestroyed = false;

  // Options, all optional: labels (see labels.mjs), id (a prefix for the ids of footnotes, another one for each text of a
  // page), onRender() after each change, confirm(text) before a link that carries much, onCopy(text), highlighter,
  // mathematics, page (see frames.mjs).
  constructor(element, options = {}) {
    const labels = { ...LABELS, ...options.labels };
    const scene = { document: element.ownerDocument, labels, id: options.id ?? "footnote" };
    this.#element = element;
    this.#highlighter = options.highlighter ?? HIGHLIGHTER;
    this.#mathematics = options.mathematics ?? MATHEMATICS;
    this.#onRender = () => !this.#isDestroyed && options.onRender?.();
    this.#drawing = new Drawing(element, scene, (node) => this.#finish(node));
    this.#frames = new Frames(() => this.#draw(), options.page);
    this.#stopListening = listen(element, { labels, confirm: options.confirm, onCopy: options.onCopy });
    element.classList.add("md");
  }

  get text() {
    return this.#text;
  }

  // Appends text; it is shown at the next frame.
  push(delta) {
    if (!this.#take(delta)) return;
    this.#element.classList.add("md-streaming");
    this.#frames.request();
  }

  // Shows exactly this text, at once and finished. What it has in common with the text before is not drawn again.
  set(text) {
    const whole = text.replace(/\r\n?/g, "\n");
    if (!whole.startsWith(this.#text)) this.#clear();
    this.#half = "";
    this.#take(whole.slice(this.#text.length));
    this.end();
  }

  // Shows all that came, at once and finished. More may follow.
  end() {
    if (this.#half) this.#take("\n");
    this.#frames.cancel();
    this.#element.classList.remove("md-streaming");
    this.#drawing.finish(this.#text);
    this.#onRender();
  }

  // Lets go of everything and empties the element.
  destroy() {
    this.#isDestroyed = true;
    this.#frames.destroy();
    this.#stopListening();
    this.#clear();
    this.#element.classList.remove("md", "md-streaming");
  }

  // Returns true when the text has grown. Line ends of every kind become one.
  #take(delta) {
    const text = this.#half + delta;
    this.#half = text.endsWith("\r") ? "\r" : "";
    const added = text.slice(0, text.length - this.#half.length).replace(/\r\n?/g, "\n");
    this.#text += added;
    this.#hasMath ||= mayHoldMath(this.#text.slice(-added.length - 1));
    return added !== "";
  }

  #clear() {
    this.#frames.cancel();
    this.#highlighter.forget(this.#element);
    this.#drawing.clear();
    this.#text = this.#half = "";
    this.#hasMath = false;
  }

  #draw() {
    this.#drawing.grow(this.#text);
    if (this.#hasMath) for (const node of this.#drawing.open) this.#renderMath(node);
    this.#onRender();
  }

  // A node that will not change any more.
  #finish(node) {
    this.#highlighter.watch(node);
    if (this.#hasMath) this.#renderMath(node);
  }

  #renderMath(node) {
    this.#mathematics.render(node, this.#onRender);
  }
}
