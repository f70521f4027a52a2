// How many words a text has, in any script.

const SEGMENTS = globalThis.Intl?.Segmenter ? new Intl.Segmenter(undefined, { granularity: "word" }) : null;
const WIDE = /[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]/; // scripts that write without spaces

export function countWords(text) {
  if (!SEGMENTS || !WIDE.test(text)) return text.split(/\s+/).filter(Boolean).length;
  let count = 0;
  for (const { isWordLike } of SEGMENTS.segment(text)) if (isWordLike) count += 1;
  return count;
}
