// Footnotes: [^1] in a text, "[^1]: what it says" in a line of its own, shown where it stands.
// A definition is kept among the links, so that all rules for links defined late hold for footnotes too.

const DEFINITION = /^ {0,3}\[\^([\w-]{1,40})\]:[ \t]+([^\n]*\S[^\n]*(?:\n {2,}[^\n]*\S[^\n]*)*)/;
const REFERENCE = /^\[\^([\w-]{1,40})\](?!:)/;

export function footnoteBlock(source) {
  const match = DEFINITION.exec(source);
  if (!match) return undefined;
  const [raw, label, text] = match;
  this.lexer.tokens.links[keyOf(label)] ??= { href: "", title: null };
  return { type: "footnote", raw, label, tokens: this.lexer.inline(text) };
}

export function footnoteReference(source) {
  const match = REFERENCE.exec(source);
  if (!match || !Object.hasOwn(this.lexer.tokens.links, keyOf(match[1]))) return undefined;
  return { type: "footnote_reference", raw: match[0], label: match[1] };
}

function keyOf(label) {
  return `^${label.toLowerCase()}`;
}
