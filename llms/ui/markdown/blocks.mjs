// Which blocks of a growing text are final, and how little of a long one has to be looked at again.

const FENCE = /^( {0,3})(`{3,}|~{3,})/;
const ENDS_WITH_BLANK_LINE = /\n[ \t]*\n$/;
// These may go on after a blank line, all others end there.
const OUTLAST_BLANK_LINES = new Set(["list", "code", "def", "html", "footnote", "open_math"]);
const END_WITH_THEIR_LINE = new Set(["heading", "hr", "math"]);
const MANY_ITEMS = 12;
const MANY_ROWS = 24;

// How many tokens, of a text of complete lines, no further line can change. Only complete lines: after "2. b" a "3" may be
// a paragraph or the next item.
export function countFinal(tokens, text) {
  let last = tokens.length - 1;
  while (last >= 0 && tokens[last].type === "space") last -= 1;
  if (last < 0) return 0;
  if (isFinal(tokens[last], text)) return tokens.length;
  // A formula that is never closed was a paragraph, and belongs to the one right before it.
  if (tokens[last].type === "open_math" && tokens[last - 1]?.type === "paragraph") return last - 1;
  return last;
}

function isFinal(token, text) {
  if (END_WITH_THEIR_LINE.has(token.type)) return true;
  if (token.type === "code") return fenceOf(token) !== null && !isOpenFence(token);
  return ENDS_WITH_BLANK_LINE.test(text) && !OUTLAST_BLANK_LINES.has(token.type);
}

// The indentation and the marks of a fence, null for any other token.
export function fenceOf(token) {
  return token.type === "code" && token.codeBlockStyle !== "indented" ? FENCE.exec(token.raw) : null;
}

// True for a fence whose closing line has not come.
export function isOpenFence(token) {
  const fence = fenceOf(token);
  if (fence === null) return false;
  const content = token.raw.indexOf("\n") + 1;
  return content === 0 || !closingLine(fence[2]).test(token.raw.slice(content));
}

// Finds the line that closes a fence.
export function closingLine(marks) {
  return new RegExp(`^ {0,3}${marks}${marks[0]}* *$`, "m");
}

// Of the list or table with which a text begins, when it is long, what may rest: how many items or rows, the offset at
// which the remaining ones begin, and what must stand before those for them to be lexed as part of the same block.
export function restingPart(token, text) {
  if (token?.type === "list" && token.items.length > MANY_ITEMS) return restingItems(token);
  if (token?.type === "table" && token.rows.length > MANY_ROWS) return restingRows(token, text);
  return null;
}

// True while the block lexed now is the one of which a part rests.
export function goesOn(resting, token) {
  if (token?.type !== resting.type) return false;
  return token.type === "table" || (token.loose === resting.loose && bullet(token) === bullet(resting));
}

// In a loose list the blank line before the last item has to be seen again.
function restingItems(token) {
  const count = token.items.length - (token.loose ? 2 : 1);
  const offset = lengthOf(token.items.slice(0, count));
  return { token, count, offset, head: "" };
}

function restingRows(token, text) {
  const count = token.rows.length - 1;
  const rows = afterLines(text, 2, 0);
  return { token, count, offset: afterLines(text, count, rows), head: text.slice(0, rows) };
}

// Characters that the tokens stand for.
export function lengthOf(tokens) {
  return tokens.reduce((length, { raw }) => length + raw.length, 0);
}

function afterLines(text, lines, from) {
  let at = from;
  for (let line = 0; line < lines; line += 1) at = text.indexOf("\n", at) + 1;
  return at;
}

function bullet({ ordered, raw }) {
  return ordered ? /[.)]/.exec(raw)[0] : raw.trimStart()[0];
}
