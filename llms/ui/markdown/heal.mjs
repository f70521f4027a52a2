// Text that is still being written, made to look as it will when its marks are closed. Nothing here touches what is final.

const ONLY_MARKS = /^[ \t]*(?:[-=*_+#>~|:$ \t]+|`|`{2,}[^`]*|~{3,}.*|\\[[(]?)$/;
const DASHES = /^ {0,3}[|:-][ \t:|-]*$/;
const TABLE_ROW = /^ {0,3}\|/;
const SKIPPED = String.raw`\$\$[^$]+\$\$|\$(?!\s)[^$\n]+\$|\\\([\s\S]*?\\\)|\\\[[\s\S]*?\\\]|https?:\/\/[^\s<>()[\]]+|<[a-zA-Z/][^<>]*>|\\[\s\S]`;
const MARK = new RegExp(String.raw`(?<skipped>${SKIPPED})|` + "`+" + String.raw`|\*+|_+|~~|!?\[|\]\(?|\)`, "g");

// Heals blocks: holds back a last line that is only marks so far, and half a character; completes the head of a table.
export function healBlocks(text) {
  const start = text.lastIndexOf("\n") + 1;
  const last = text.slice(start);
  if (last && ONLY_MARKS.test(last) && !TABLE_ROW.test(last)) return withTableHead(text.slice(0, start));
  return withTableHead(/[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text);
}

// Heals the spans of the block that is being written: closes what is open, leaves out what has only begun.
export function healSpans(text) {
  const { shown, marks } = openMarks(text);
  return marks.length ? shown.trimEnd() + marks.reverse().join("") : shown;
}

// "| a | b" and what there is of the line of dashes become a table's head at once.
function withTableHead(text) {
  const start = text.lastIndexOf("\n", text.length - 2) + 1;
  const last = text.slice(start);
  if (!DASHES.test(last)) return TABLE_ROW.test(last) ? completeHead(text, start, last) : text;
  const above = text.lastIndexOf("\n", start - 2) + 1;
  const head = text.slice(above, Math.max(above, start - 1));
  return TABLE_ROW.test(head) && !last.endsWith("\n") ? completeHead(text, above, head) : text;
}

// A line below another row is no head.
function completeHead(text, start, head) {
  const row = head.trim();
  const isBelowRow = TABLE_ROW.test(text.slice(text.lastIndexOf("\n", start - 2) + 1, start));
  if (isBelowRow || row.length < 2 || row.indexOf("|", 1) < 0) return text;
  const columns = row.replace(/^\||\|$/g, "").split(/(?<!\\)\|/).length;
  return `${text.slice(0, start)}${head.trimEnd()}\n|${"-|".repeat(columns)}`;
}

// Finds the marks that are open at the end, outermost first, and cuts off what is only begun.
function openMarks(text) {
  const marks = [];
  const brackets = [];
  let address = null;
  MARK.lastIndex = 0;
  for (let match; (match = MARK.exec(text)); ) {
    const run = match[0];
    if (match.groups.skipped !== undefined) continue;
    if (run[0] === "`") {
      const end = closingTicks(text, MARK.lastIndex, run.length);
      if (end < 0) return openCode(text, match.index, run, marks);
      MARK.lastIndex = end;
    } else if (address !== null) {
      if (run === ")") address = null;
    } else if (run.endsWith("[")) brackets.push({ start: match.index, isImage: run[0] === "!", marks: marks.length });
    else if (run[0] === "]") address = closeBracket(brackets, match);
    else if (run !== ")" && !toggle(marks, text, match.index, run)) return { shown: text.slice(0, match.index), marks };
  }
  return withoutLink(text, address ?? brackets.at(-1) ?? null, marks);
}

function closingTicks(text, from, length) {
  const exact = new RegExp(`(?<!\`)\`{${length}}(?!\`)`, "g");
  exact.lastIndex = from;
  return exact.exec(text) ? exact.lastIndex : -1;
}

// Of the closing ticks some may be there.
function openCode(text, index, run, marks) {
  if (index + run.length === text.trimEnd().length) return { shown: text.slice(0, index), marks };
  const ticks = /`*$/.exec(text)[0].length;
  return { shown: text.trimEnd(), marks: [...marks, run.slice(ticks < run.length ? ticks : 0)] };
}

function closeBracket(brackets, { 0: run, index }) {
  const bracket = brackets.pop();
  return bracket && run === "](" ? { ...bracket, end: index } : null;
}

// Opens or closes emphasis. Returns false for a mark at the very end that would open something.
function toggle(marks, text, index, run) {
  const before = text[index - 1] ?? " ";
  const after = text[index + run.length] ?? "";
  const isInWord = run[0] === "_" && /[\p{L}\p{N}]/u.test(before) && /[\p{L}\p{N}]/u.test(after);
  if (isInWord) return true;
  let left = run.length;
  while (/\S/.test(before) && left > 0 && marks.at(-1)?.[0] === run[0]) {
    const mark = marks.pop();
    if (mark.length > left) marks.push(mark.slice(left));
    left -= Math.min(left, mark.length);
  }
  if (left < run.length) return true;
  if (/\S/.test(after)) marks.push(run.slice(0, 3));
  return after !== "";
}

// "[text](addr" reads as its text, "![text](addr" as nothing yet.
function withoutLink(text, bracket, marks) {
  if (bracket === null) return { shown: text, marks };
  const before = text.slice(0, bracket.start);
  if (bracket.isImage) return { shown: before, marks: marks.slice(0, bracket.marks) };
  return { shown: before + text.slice(bracket.start + 1, bracket.end), marks };
}
