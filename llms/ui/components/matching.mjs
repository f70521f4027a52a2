// Names that fit what is typed, the best first: whole names, beginnings, beginnings of words, words in any order, and last
// names that only hold the letters in their order.

const MARKS = /\p{M}+/gu;

// items: [{label, words: more to be found by}]. Adds rank and marks: [[start, end]] of the label.
export function matched(items, query) {
  if (!query) return items;
  return items
    .map((item) => ({ ...item, ...fit(item, query) }))
    .filter(({ rank }) => rank !== null)
    .sort((one, other) => one.rank - other.rank);
}

function fit({ label, words = "" }, query) {
  const [name, wanted] = [plain(label), plain(query)];
  const at = name.indexOf(wanted);
  const marks = at < 0 || name.length !== label.length ? [] : [[at, at + wanted.length]];
  if (name === wanted) return { rank: 0, marks };
  if (at === 0) return { rank: 1, marks };
  if (at > 0) return { rank: /[\p{L}\p{N}]/u.test(name[at - 1]) ? 3 : 2, marks };
  const all = `${name} ${plain(words)}`;
  if (wanted.split(/\s+/).every((word) => all.includes(word))) return { rank: 4, marks: [] };
  return { rank: isSpread(name, wanted) ? 5 : null, marks: [] };
}

// Whether the letters stand in the name in this order, each at the beginning of a word or beside the one before.
function isSpread(name, wanted) {
  const words = name.split(/[^\p{L}\p{N}]+/u);
  const initials = words.map(([first = ""]) => first).join("");
  return wanted.length > 1 && initials.startsWith(wanted);
}

function plain(text) {
  return text.toLowerCase().normalize("NFKD").replace(MARKS, "");
}
