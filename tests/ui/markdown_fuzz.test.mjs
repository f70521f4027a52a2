// Whatever the text and however it comes in pieces: at the end the page is the one that the whole text makes at once.

import assert from "node:assert/strict";
import test from "node:test";

import { loaded, once, stage } from "./markdown_stage.mjs";
import { dice } from "./stage.mjs";

const DOCUMENTS = 3000;
const WORDS = "alpha *beta* **gamma** `delta` _eps_ [link](http://x.y) [ref] <b>tag</b> &amp; a\\*b $x_1$ ~~old~~ http://u.rl ![i](d.png) ü 😀 | # -".split(" ");

function blocks({ below, pick }) {
  const words = (most = 6) => Array.from({ length: 1 + below(most) }, () => pick(WORDS)).join(" ");
  const lines = (most, line = words) => Array.from({ length: 1 + below(most) }, line).join("\n");
  const items = (mark, gap = "\n") => Array.from({ length: 1 + below(16) }, (_, place) => `${mark(place)} ${words(3)}`).join(gap);
  const bullet = pick(["-", "*", "+"]);
  const fence = pick(["```", "~~~", "````"]);
  const rows = () => Array.from({ length: below(30) }, () => `| ${words(2)} | ${words(2)} |`).join("\n");
  return {
    paragraph: () => lines(4),
    heading: () => `${"#".repeat(1 + below(6))} ${words()}`,
    setext: () => `${lines(2)}\n${pick(["===", "---", "=", "-"])}`,
    rule: () => pick(["---", "***", "* * *", "_____"]),
    tight: () => items(() => bullet),
    loose: () => items(() => bullet, "\n\n"),
    numbered: () => items((place) => `${place + 1}${pick([".", "."])}`),
    late: () => items((place) => `${place + 7})`, pick(["\n", "\n\n"])),
    nested: () => `${bullet} ${words()}\n  ${bullet} ${words()}\n\n    ${words()}\n${bullet} ${words()}`,
    tasks: () => `- [ ] ${words()}\n- [x] ${words()}\n- [ ]`,
    fenceInList: () => `1. ${words()}\n   ${fence}js\n   ${words()}\n\n   ${words()}\n   ${pick([fence, ""])}\n2. ${words()}`,
    mathInList: () => `- ${words()}\n  $$\n  a\n  ${pick(["$$", ""])}\n- ${words()}`,
    fence: () => `${fence}${pick(["js", "python x", ""])}\n${lines(8)}\n${pick([fence, fence, ""])}`,
    indented: () => `    ${words()}\n\n    ${words()}`,
    table: () => `| a | b |\n|---|${pick(["--:", ":-:", "---"])}|\n${rows()}`,
    bareTable: () => `a | b\n--|--\n${words()} | ${words()}`,
    quote: () => lines(4, () => `> ${words()}`),
    lazyQuote: () => `> ${words()}\n${words()}\n> - ${words()}\n> ${words()}`,
    fenceInQuote: () => `> ${fence}\n> ${words()}\n${pick(["> ", ""])}${fence}`,
    html: () => `<div class="x">\n${words()}\n${pick(["</div>", ""])}`,
    inlineHtml: () => `${words()} <a href="x">${words()}`,
    comment: () => `<!-- ${words()}\n\n${words()} ${pick(["-->", ""])}`,
    script: () => `<script>\n${words()}\n\n${words()}\n${pick(["</script>", ""])}`,
    definition: () => `[ref]: http://${pick(["a", "b"])}.c${pick(["", ' "title"', "\n'two\nlines'"])}`,
    oddDefinition: () => `[re\n# f]: http://x.y`,
    footnote: () => `${words()}[^1]\n\n[^1]: ${words()}${pick(["", "\n  more"])}`,
    dollars: () => `$$\na\n${pick(["+ b", "= c", "-", "# d"])}\n${pick(["$$", "$$", ""])}`,
    brackets: () => `\\[\na\n- b\n${pick(["\\]", "", "\n\\]"])}`,
    mathAfterText: () => `${words()}\n$$\n${pick(["+ x", "===", "x"])}\n${pick(["$$", "", "$$ and more"])}`,
  };
}

const KINDS = Object.keys(blocks(dice(0)));

function compose(random) {
  const { below, pick } = random;
  const parts = Array.from({ length: 1 + below(7) }, () => blocks(random)[pick(KINDS)]() + pick(["\n", "\n\n", "\n\n", "\n\n\n", "\n  \n", ""]));
  const text = parts.join("");
  const cut = pick([false, false, true]) ? text.slice(0, below(text.length + 1)) : text;
  return pick([cut, cut, cut.replaceAll("\n", "\r\n"), cut.replaceAll("\n", "\r")]);
}

function pieces(text, { below, pick }) {
  const most = pick([1, 3, 8, 40, 400]);
  const parts = [];
  for (let at = 0; at < text.length; ) parts.push(text.slice(at, (at += 1 + below(most))));
  return parts;
}

function stream(parts, options, { below }) {
  const { view, frame, html } = stage(options);
  for (const part of parts) {
    view.push(part);
    if (below(3) === 0) frame();
  }
  frame();
  view.end();
  return html();
}

test(`${DOCUMENTS} texts of ${KINDS.length} kinds of blocks, in random pieces`, () => {
  for (let seed = 1; seed <= DOCUMENTS; seed += 1) {
    const random = dice(seed);
    const text = compose(random);
    const parts = pieces(text, random);
    assert.equal(stream(parts, undefined, random), once(text), `seed ${seed}: ${JSON.stringify(text)}`);
  }
});

test("with colours and formulas too, and when the text goes on after an end", async () => {
  const options = await loaded();
  for (let seed = 1; seed <= 150; seed += 1) {
    const random = dice(90_000 + seed);
    const text = compose(random);
    const whole = once(text, options);
    assert.equal(stream(pieces(text, random), options, random), whole, `seed ${seed}: ${JSON.stringify(text)}`);
    const { view, frame, html } = stage(options);
    for (const part of pieces(text.replace(/\r\n?/g, "\n"), random)) {
      view.push(part);
      if (random.below(4) === 0) frame();
      if (random.below(6) === 0) view.end();
    }
    view.end();
    assert.equal(html(), whole, `seed ${seed}, going on: ${JSON.stringify(text)}`);
  }
});

test("while a text goes on, all blocks before the last look final", () => {
  const closed = KINDS.filter((kind) => !["definition", "oddDefinition", "footnote"].includes(kind));
  const isOpen = (text) => !once(`${text}\n\nXYZ`).endsWith('<p dir="auto">"XYZ"</p>');
  let compared = 0;
  for (let seed = 1; seed <= 500; seed += 1) {
    const random = dice(50_000 + seed);
    const parts = Array.from({ length: 1 + random.below(4) }, () => blocks(random)[random.pick(closed)]());
    const text = parts.join("\n\n");
    if (parts.some((_, place) => isOpen(parts.slice(0, place + 1).join("\n\n")))) continue;
    compared += 1;
    const { view, frame, html } = stage();
    for (const part of pieces(`${text}\n\nXYZ\n\n`, random)) {
      view.push(part);
      frame();
    }
    assert.equal(html(), once(`${text}\n\nXYZ`), `seed ${seed}: ${JSON.stringify(text)}`);
  }
  assert.ok(compared > 200, `${compared} texts`);
});

test("set draws what is new, and anew what is different", () => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const random = dice(70_000 + seed);
    const text = compose(random).replace(/\r\n?/g, "\n");
    const { view, html } = stage();
    for (let at = 0; at < text.length; at += 1 + random.below(60)) view.set(text.slice(0, at));
    view.set(`${text}else`);
    view.set(text);
    assert.equal(html(), once(text), `seed ${seed}: ${JSON.stringify(text)}`);
  }
});
