// The blocks of a growing text in an element.
//
// Blocks that no further line can change are built once and never touched again. The one being written is built anew each
// time, its dangling marks closed, and patched in. Two shortcuts keep that cheap however long the block gets: an open fence
// takes its text into one node, and a long list or table is looked at from its last items on.

import { countFinal, goesOn, isOpenFence, lengthOf, restingPart } from "./blocks.mjs";
import { OpenFence } from "./fence.mjs";
import { healBlocks, healSpans } from "./heal.mjs";
import { lex } from "./lexer.mjs";
import { patchChildren } from "./patch.mjs";
import { Walker } from "./walk.mjs";

export class Drawing {
  #root;
  #scene;
  #onFinal;
  #text = "";
  #settled = 0; // characters whose blocks are final
  #nodes = 0; // nodes made of those
  #links = {};
  #fence = null;
  #rest = null; // the resting part of the block at the end, and `start`, where in the text the remaining part begins

  // onFinal(node): a node will not change any more.
  constructor(root, scene, onFinal) {
    this.#root = root;
    this.#scene = scene;
    this.#onFinal = onFinal;
  }

  // Draws a text that goes on; it begins with the one drawn before.
  grow(text) {
    this.#text = text;
    if (this.#fence?.grow(text)) return;
    this.#fence = null;
    if (!this.#growRest()) this.#drawTail();
  }

  // Draws a text as it is when nothing follows. It may go on after all.
  finish(text) {
    this.#text = text;
    this.#fence = null;
    const lexed = this.#lex(text.slice(this.#settled), false);
    const hasLateLinks = this.#settled > 0 && text.includes("]:") && this.#finishAnew();
    if (!hasLateLinks) this.#patch(this.#closed(lexed, lexed.tokens));
    this.#rest = null;
    this.#tellFinal(this.#nodes, this.#root.childNodes.length);
  }

  clear() {
    this.#root.replaceChildren();
    this.#settled = this.#nodes = 0;
    this.#links = {};
    this.#fence = this.#rest = null;
  }

  // The nodes that may still change.
  get open() {
    const nodes = [];
    for (let node = this.#firstOpen; node; node = node.nextSibling) nodes.push(node);
    return nodes;
  }

  // Goes on with the long list or table, unless another block has begun.
  #growRest() {
    if (this.#rest === null) return false;
    const { head, start, token } = this.#rest;
    const text = head + this.#text.slice(start);
    const complete = completeLines(text);
    const { tokens } = this.#lex(complete);
    const [first, ...others] = visible(tokens);
    const live = this.#lex(healBlocks(text));
    if (!goesOn(token, first) || others.length || !goesOn(token, visible(live.tokens)[0])) return false;
    const [block, ...more] = visible(live.tokens);
    const walker = this.#walker(live, true);
    this.#patchRest(walker, block, 0);
    this.#patch([this.#firstOpen, ...walker.blocks(more)]);
    this.#letRest(tokens, complete, start - head.length, this.#rest);
    return true;
  }

  // Builds what has become final since, and what is being written.
  #drawTail() {
    const pending = this.#text.slice(this.#settled);
    const complete = completeLines(pending);
    const lexed = this.#lex(complete);
    const count = countFinal(lexed.tokens, complete);
    const closed = lexed.tokens.slice(0, count);
    const nodes = this.#closed(lexed, closed);
    const length = lengthOf(closed);
    this.#rest = null;
    this.#patch([...nodes, ...this.#live(pending.slice(length))]);
    this.#settle(nodes.length, length, lexed.links);
    this.#lookAtEnd(lexed.tokens.slice(count), complete.slice(length));
  }

  // Definitions may come after the blocks that use them: then all are built again. Returns false when there are none.
  #finishAnew() {
    const lexed = this.#lex(this.#text, false, {});
    if (!Object.keys(lexed.links).length) return false;
    this.#settled = this.#nodes = 0;
    this.#links = {};
    this.#rest = null;
    this.#patch(this.#walker(lexed).blocks(lexed.tokens));
    return true;
  }

  // The nodes of closed blocks; of a long one, only what does not rest is built.
  #closed(lexed, tokens) {
    const walker = this.#walker(lexed);
    const [first, ...others] = visible(tokens);
    if (this.#rest === null || !goesOn(this.#rest.token, first)) return walker.blocks(tokens);
    this.#patchRest(walker, first, this.#rest.count);
    return [this.#firstOpen, ...walker.blocks(others)];
  }

  #live(text) {
    const lexed = this.#lex(healBlocks(text));
    return this.#walker(lexed, true).blocks(lexed.tokens);
  }

  get #firstOpen() {
    return this.#root.childNodes[this.#nodes];
  }

  #patchRest(walker, token, skip) {
    const isList = token.type === "list";
    const parent = isList ? this.#firstOpen : this.#firstOpen.querySelector("tbody");
    patchChildren(parent, isList ? walker.items(token, skip) : walker.rows(token, skip), this.#rest.count);
  }

  #patch(nodes) {
    patchChildren(this.#root, nodes, this.#nodes);
  }

  #settle(nodes, length, links) {
    if (!length) return;
    this.#tellFinal(this.#nodes, this.#nodes + nodes);
    this.#nodes += nodes;
    this.#settled += length;
    this.#links = { ...links };
  }

  #lookAtEnd(tokens, text) {
    const [last, ...others] = visible(tokens);
    const start = this.#settled + lengthOf(tokens.slice(0, tokens.indexOf(last)));
    if (last && !others.length && isOpenFence(last)) this.#fence = OpenFence.of(this.#firstOpen, last, start);
    else if (last) this.#letRest(tokens, text, this.#settled, null);
    this.#fence?.grow(this.#text);
  }

  // base: where in the text the given one begins.
  #letRest(tokens, text, base, before) {
    const [block] = visible(tokens);
    const lead = lengthOf(tokens.slice(0, tokens.indexOf(block)));
    const resting = restingPart(block, text.slice(lead));
    if (!resting) return;
    const count = resting.count + (before?.count ?? 0);
    this.#rest = { ...resting, count, start: base + lead + resting.offset };
  }

  #walker(lexed, isWritten = false) {
    const written = isWritten ? lastSpans(lexed.tokens) : null;
    return new Walker(this.#scene, lexed, (tokens) => (tokens === written ? healSpans : undefined));
  }

  // What breaks the lexer (a thousand quotes in each other) is shown as it was written.
  #lex(text, unfinished = true, links = this.#links) {
    try {
      return lex(text, { links, unfinished });
    } catch {
      const tokens = text ? [{ type: "html", raw: text }] : [];
      return { tokens, links, spans: (spans) => spans };
    }
  }

  #tellFinal(from, to) {
    for (let place = from; place < to; place += 1) this.#onFinal(this.#root.childNodes[place]);
  }
}

function visible(tokens) {
  return tokens.filter(({ type }) => type !== "space");
}

function completeLines(text) {
  return text.slice(0, text.lastIndexOf("\n") + 1);
}

// The spans that the next letter would be added to, as the list that holds them.
function lastSpans(tokens) {
  const last = tokens?.at(-1);
  if (last?.type === "list") return lastSpans(last.items.at(-1).tokens);
  if (last?.type === "blockquote") return lastSpans(last.tokens);
  if (last?.type === "table") return (last.rows.at(-1) ?? last.header).findLast(({ text }) => text)?.tokens ?? null;
  return last?.tokens ?? null;
}
