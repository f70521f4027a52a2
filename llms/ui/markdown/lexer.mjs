// Markdown into tokens: marked's grammar with formulas and footnotes added.
//
// Blocks are lexed at once, the text inside them only when somebody asks for it: most of a long list that grows is never
// looked at again. And no block's text changes how the next one's is read, as an unclosed <a> would in marked alone.

import { Lexer, Tokenizer, getDefaults } from "marked";

import { footnoteBlock, footnoteReference } from "./footnotes.mjs";
import { inlineMath, maskMath, mathBlock, mathInLine, mathStart, mayHoldMath } from "./math_syntax.mjs";

const MARKS = /[*_~[`<]|$/g;
const MOST_MARKS = 2000;

// A line of dashes or equals signs below a formula that is being written makes no heading of it.
class CarefulTokenizer extends Tokenizer {
  lheading(source) {
    const heading = super.lheading(source);
    return heading && mathInLine(heading.raw) ? undefined : heading;
  }
}

// links: definitions known from before. unfinished: more text will follow, so that what has been opened stays open.
export function lex(text, { links = {}, unfinished = false } = {}) {
  const lexer = new Lexer(optionsFor(text, unfinished));
  Object.assign(lexer.tokens.links, links);
  lexer.blockTokens(text, lexer.tokens);
  return new Lexed(lexer);
}

class Lexed {
  #lexer;
  #sources;

  constructor(lexer) {
    this.tokens = lexer.tokens;
    this.links = lexer.tokens.links;
    this.#lexer = lexer;
    this.#sources = new Map(lexer.inlineQueue.map(({ tokens, src }) => [tokens, src]));
  }

  // The spans of a block's text; `heal` may change the text first. A text of marks without end, which would take the lexer
  // seconds, and one that breaks it are shown as they were written.
  spans(tokens, heal = (text) => text) {
    const source = this.#sources.get(tokens);
    if (source === undefined) return tokens;
    this.#sources.delete(tokens);
    Object.assign(this.#lexer.state, { inLink: false, inRawBlock: false, linkEmitted: false });
    try {
      if (source.length < MOST_MARKS || source.match(MARKS).length < MOST_MARKS) return this.#lexer.inlineTokens(heal(source), tokens);
    } catch {
      // Too deep for its recursion.
    }
    return [{ type: "text", raw: source, text: source, escaped: true }];
  }
}

function optionsFor(text, unfinished) {
  const extensions = { block: [footnoteBlock], inline: [footnoteReference], childTokens: {}, renderers: {} };
  const options = { ...getDefaults(), tokenizer: new CarefulTokenizer(), extensions };
  if (!mayHoldMath(text)) return options;
  extensions.block.push(mathBlock(unfinished));
  extensions.inline.push(inlineMath);
  extensions.startBlock = [mathStart];
  extensions.startInline = [(source) => source.indexOf("$")];
  return { ...options, hooks: { emStrongMask: maskMath } };
}
