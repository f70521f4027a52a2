// Where formulas stand in a text: $…$ and \(…\) in a line, $$…$$ and \[…\] set apart. No formula holds a blank line.

const LINE = String.raw`(?:\n(?![ \t]*(?:\n|$)))`;
const DOLLARS = String.raw`\$\$(?!\$)((?:\\[^\n]|[^\\$\n]|\$(?!\$)|${LINE})+?)\$\$`;
const BRACKETS = String.raw`\\\[((?:(?!\\[[\]])[^\n]|${LINE})+?)\\\]`;
const PARENTHESES = String.raw`\\\(((?:(?!\\[()])[^\n]|${LINE})+?)\\\)`;
const DOLLAR = String.raw`\$(?![\s$])((?:\\[^\n]|[^\\$\n]|${LINE})+)(?<!\s)\$(?!\d)`;

const BLOCK = new RegExp(`^ {0,3}(?:${DOLLARS}|${BRACKETS})[ \\t]*(?=\\n|$)`);
const OPEN = /^ {0,3}(?:\$\$(?!\$)(?:\\[\s\S]?|[^\\$]|\$(?!\$))*|\\\[(?:(?!\\\])[\s\S])*)$/;
const BLANK_LINE = /\n[ \t]*\n/;
const SPAN = new RegExp(`^(?:${DOLLARS}|${BRACKETS}|${PARENTHESES}|${DOLLAR})`);
const SPANS = new RegExp(`${DOLLARS}|${BRACKETS}|${PARENTHESES}|${DOLLAR}`, "g");
const STARTS_LINE = /\n {0,3}(?:\$\$|\\\[)/;
const STARTS_LINE_OR_BLANK = /\n(?: {0,3}(?:\$\$|\\\[)|[ \t]*\n)/;
const MONEY = /^[\d.,]+\s+[a-z]{2,}/i; // $5 apples and 10$

export function mayHoldMath(text) {
  return text.includes("$") || text.includes("\\(") || text.includes("\\[");
}

export function mathInLine(text) {
  return STARTS_LINE.test(text);
}

// Where in a paragraph a formula set apart may start: marked asks with the text after its first character.
export function mathStart(source) {
  const match = STARTS_LINE_OR_BLANK.exec(source);
  return match && STARTS_LINE.test(match[0]) ? match.index + 1 : undefined;
}

// Lexes a formula set apart. While the text is unfinished, one that has not been closed holds all that follows: its lines
// are no lists or headings, unless a blank line shows that it was none.
export function mathBlock(unfinished) {
  return function (source, tokens) {
    const match = BLOCK.exec(source);
    if (match) return formula(match[0], match[1] ?? match[2], true);
    const isOpen = unfinished && tokens === this.lexer.tokens && OPEN.test(source) && !BLANK_LINE.test(source);
    return isOpen ? { type: "open_math", raw: source, text: source } : undefined;
  };
}

export function inlineMath(source) {
  const match = SPAN.exec(source);
  if (!match) return undefined;
  const [raw, dollars, brackets, parentheses, dollar] = match;
  if (dollar !== undefined && MONEY.test(dollar)) return undefined;
  return formula(raw, dollars ?? brackets ?? parentheses ?? dollar, dollar === undefined && parentheses === undefined);
}

// Hides formulas from the search for emphasis: a * in one ends none.
export function maskMath(source) {
  return source.replace(SPANS, (raw) => "[" + "a".repeat(raw.length - 2) + "]");
}

function formula(raw, tex, display) {
  return { type: "math", raw, text: tex.trim(), display };
}
