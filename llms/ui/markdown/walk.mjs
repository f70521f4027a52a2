// Blocks into nodes. Whatever a token holds becomes text or one of these elements; nothing is ever parsed as HTML.

import { codeBlock } from "./code.mjs";
import { element } from "./element.mjs";
import { inline } from "./inline.mjs";
import { formula } from "./math.mjs";

const DEEPEST = 24; // blocks in blocks; what lies deeper is shown as it was written

// scene: {document, labels, id}; lexed: where the spans come from; heal(tokens): for the text that is being written.
export class Walker {
  #scene;
  #lexed;
  #heal;

  constructor(scene, lexed, heal = () => undefined) {
    this.#scene = scene;
    this.#lexed = lexed;
    this.#heal = heal;
  }

  // One node for each token that shows anything.
  blocks(tokens, depth = 0) {
    const nodes = [];
    for (const token of tokens) {
      const node = this.block(token, depth);
      if (node) nodes.push(node);
    }
    return nodes;
  }

  block(token, depth = 0) {
    if (INVISIBLE.has(token.type)) return null;
    const render = depth < DEEPEST && Object.hasOwn(BLOCKS, token.type) ? BLOCKS[token.type] : BLOCKS.html;
    return render(this, token, depth);
  }

  // The items of a list, without the first ones.
  items(token, skip = 0, depth = 0) {
    return token.items.slice(skip).map((item) => this.#item(item, depth));
  }

  // The rows of a table, without the first ones.
  rows(token, skip = 0) {
    return token.rows.slice(skip).map((row) => this.#row(row, "td"));
  }

  make(name, attributes, children) {
    return element(this.#scene.document, name, attributes, children);
  }

  spans(tokens) {
    return inline(this.#lexed.spans(tokens, this.#heal(tokens)), this.#scene);
  }

  code(token) {
    return codeBlock(this.#scene.document, token, this.#scene.labels);
  }

  formula(token) {
    return formula(this.#scene.document, token, this.#scene.labels);
  }

  table(token) {
    const head = this.make("thead", {}, [this.#row(token.header, "th")]);
    const body = token.rows.length ? [this.make("tbody", {}, this.rows(token))] : [];
    const region = { class: "md-table", tabindex: "0", role: "region", "aria-label": this.#scene.labels.table };
    return this.make("div", region, [this.make("table", { dir: "auto" }, [head, ...body])]);
  }

  footnote(token) {
    const label = this.make("span", { class: "md-footnote-label" }, [`${token.label}. `]);
    const attributes = { class: "md-footnote", id: `${this.#scene.id}-${token.label}`, tabindex: "-1", dir: "auto" };
    return this.make("div", attributes, [label, ...this.spans(token.tokens)]);
  }

  #row(cells, name) {
    const scope = name === "th" ? "col" : null;
    return this.make("tr", {}, cells.map(({ tokens, align }) => this.make(name, { dir: "auto", scope, "data-align": align }, this.spans(tokens))));
  }

  #item(item, depth) {
    const children = item.tokens.flatMap((token) => this.#inItem(token, depth + 1));
    return this.make("li", { dir: "auto", class: item.task ? "md-task" : null }, children);
  }

  // In a tight list the text stands in the item itself, without a paragraph.
  #inItem(token, depth) {
    if (token.type === "text" && token.tokens) return this.spans(token.tokens);
    if (token.type === "checkbox") return inline([token], this.#scene);
    return this.block(token, depth) ?? [];
  }
}

const INVISIBLE = new Set(["space", "def"]);

const BLOCKS = {
  paragraph: (walker, { tokens }) => walker.make("p", { dir: "auto" }, walker.spans(tokens)),
  text: (walker, token) => walker.make("p", { dir: "auto" }, token.tokens ? walker.spans(token.tokens) : [token.text]),
  heading: (walker, { depth, tokens }) => walker.make(`h${depth}`, { dir: "auto" }, walker.spans(tokens)),
  hr: (walker) => walker.make("hr"),
  code: (walker, token) => walker.code(token),
  blockquote: (walker, { tokens }, depth) => walker.make("blockquote", { dir: "auto" }, walker.blocks(tokens, depth + 1)),
  list(walker, token, depth) {
    const start = token.ordered && token.start !== 1 ? token.start : null;
    return walker.make(token.ordered ? "ol" : "ul", { dir: "auto", start }, walker.items(token, 0, depth));
  },
  table: (walker, token) => walker.table(token),
  math: (walker, token) => walker.formula(token),
  open_math: (walker, { text }) => walker.make("p", { class: "md-html", dir: "ltr" }, [text]),
  footnote: (walker, token) => walker.footnote(token),
  html: (walker, { raw }) => walker.make("p", { class: "md-html", dir: "auto" }, [raw.replace(/\n+$/, "")]),
};
