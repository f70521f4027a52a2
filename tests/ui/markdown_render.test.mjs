// What a text looks like, at the end and on the way.

import assert from "node:assert/strict";
import test from "node:test";

import highlight from "../../llms/ui/vendor/highlight.mjs";
import { document, write } from "./dom.mjs";
import { PLAIN, loaded, once, stage } from "./markdown_stage.mjs";

const { decode } = await import("../../llms/ui/markdown/entities.mjs");
const { Highlighter } = await import("../../llms/ui/markdown/highlight.mjs");
const { Mathematics } = await import("../../llms/ui/markdown/math.mjs");

// Without the attributes that are the same everywhere.
const bare = (html) => html.replace(/ (?:dir|tabindex|role|aria-label|type|rel|target|title|data-host|data-md)="[^"]*"/g, "");

function live(text, options = PLAIN) {
  const { view, frame, html } = stage(options);
  view.push(text);
  frame();
  return bare(html());
}

const FINAL = {
  "a paragraph with spans": ["a **b** *c* `d` ~~e~~ \\*", '<p>"a "<strong>"b"</strong>" "<em>"c"</em>" "<code>"d"</code>" "<del>"e"</del>" *"</p>'],
  "entities, decoded once": ["&amp;lt; &copy; &#65; &#x42; `&amp;` &no;", '<p>"&lt; © A B "<code>"&amp;"</code>" &no;"</p>'],
  "an address with an entity": ["[a](https://x.y/?a=1&amp;b=2)", '<p><a class="md-link" href="https://x.y/?a=1&b=2">"a"</a></p>'],
  "an address that links itself": ["https://x.y/?a=1&copy=2", '<p><a class="md-link" href="https://x.y/?a=1&copy=2">"https://x.y/?a=1&copy=2"</a></p>'],
  "a tight list": ["1. a\n2. b", '<ol><li>"a"</li><li>"b"</li></ol>'],
  "a loose list that starts late": ["3. a\n\n4. b", '<ol start="3"><li><p>"a"</p></li><li><p>"b"</p></li></ol>'],
  "tasks": ["- [x] a\n- [ ] b", '<ul><li class="md-task"><input checked="" disabled=""></input>"a"</li><li class="md-task"><input disabled=""></input>"b"</li></ul>'],
  "a table": [
    "| a | b |\n|:--|--:|\n| 1 | 2<br>3 |",
    '<div class="md-table"><table><thead><tr><th data-align="left" scope="col">"a"</th><th data-align="right" scope="col">"b"</th></tr></thead>' +
      '<tbody><tr><td data-align="left">"1"</td><td data-align="right">"2"<br></br>"3"</td></tr></tbody></table></div>',
  ],
  "a quote": ["> a\n> > b", '<blockquote><p>"a"</p><blockquote><p>"b"</p></blockquote></blockquote>'],
  "a rule": ["a\n\n---", '<p>"a"</p><hr></hr>'],
  "raw HTML": ["<div onclick=x>\nhi\n</div>", '<p class="md-html">"<div onclick=x>\\nhi\\n</div>"</p>'],
  "a footnote": [
    "a[^1] [^2]\n\n[^1]: *b*",
    '<p>"a"<sup class="md-footnote-reference"><a class="md-footnote-link" href="#footnote-1">"1"</a></sup>" [^2]"</p>' +
      '<div class="md-footnote" id="footnote-1"><span class="md-footnote-label">"1. "</span><em>"b"</em></div>',
  ],
  "formulas in a line": [
    "$a_1$ \\(b\\) $$c$$ $5 and $6",
    '<p><span class="md-math" data-tex="a_1">"$a_1$"</span>" "<span class="md-math" data-tex="b">"\\\\(b\\\\)"</span>" "<span class="md-math" data-display="" data-tex="c">"$$c$$"</span>" $5 and $6"</p>',
  ],
  "a formula set apart, right below a text": ["a\n$$\nb\n+ c\n$$\nd", '<p>"a"</p><div class="md-math" data-display="" data-tex="b\\n+ c">"$$\\nb\\n+ c\\n$$"</div><p>"d"</p>'],
  "no formula across a blank line": ["$$\na\n\n$$", '<p>"$$\\na"</p><p>"$$"</p>'],
  "emphasis is no formula's business": ["*a $b*c$ d*", '<p><em>"a "<span class="md-math" data-tex="b*c">"$b*c$"</span>" d"</em></p>'],
  "money": ["$5 apples and 10$", '<p>"$5 apples and 10$"</p>'],
};

for (const [name, [text, expected]] of Object.entries(FINAL)) test(name, () => assert.equal(bare(once(text)), expected));

test("each block says for itself in which direction it runs", () => {
  const { view, element } = stage();
  view.set("# a\n\nb\n\n- c\n\n> d\n\n| e |\n|---|\n| f |");
  for (const block of element.querySelectorAll("h1,p,ul,li,blockquote,table,th,td")) assert.equal(block.getAttribute("dir"), "auto", block.localName);
});

test("a block of code has a head, a region that can be focused, and a name", () => {
  const { view, element } = stage();
  view.set("```Python title=x\nprint(1)\n```\n\n~~~\nplain\n~~~\n\n    indented");
  const [python, plain, indented] = element.querySelectorAll("figure.md-code");
  assert.equal(python.getAttribute("data-language"), "Python");
  assert.equal(python.querySelector(".md-code-language").textContent, "Python");
  assert.deepEqual(python.querySelectorAll("button").map((button) => button.getAttribute("data-md")), ["wrap", "download", "copy"]);
  const pre = python.querySelector("pre");
  assert.deepEqual([pre.getAttribute("tabindex"), pre.getAttribute("role"), pre.getAttribute("aria-label")], ["0", "region", "Code: Python"]);
  assert.equal(pre.querySelector("code").getAttribute("class"), "hljs language-python");
  assert.equal(pre.textContent, "print(1)");
  assert.deepEqual([plain.textContent.endsWith("plain"), indented.textContent.endsWith("indented")], [true, true]);
  assert.equal(plain.querySelector("pre").getAttribute("aria-label"), "Code");
});

test("words come from the application", () => {
  const { view, element } = stage({ ...PLAIN, labels: { copy: "Kopieren", image: (host) => `Bild von ${host}` } });
  view.set("```\nx\n```\n\n![](http://a.b)");
  assert.equal(element.querySelector(".md-code-copy").textContent, "Kopieren");
  assert.equal(element.querySelector(".md-code-wrap").textContent, "Wrap lines");
  assert.equal(element.querySelector(".md-image-link").textContent, "Bild von a.b");
});

// The library's own HTML is what the spans are held against: its tree is a private field.
for (const [language, code] of Object.entries({
  python: '@cache\ndef f(x: int) -> str:\n    """Doc"""\n    return f"{x!r}" # <b>\n',
  javascript: "class A extends B { #x = `a${1 + 2}b`; static async f() {} }",
  html: '<a href="x">&amp;</a><script>let a = "<b>";</script><style>p { color: red }</style>',
  diff: "--- a\n+++ b\n@@ -1 +1 @@\n-x\n+y",
  bash: 'for f in *.txt; do echo "$f" | sed s/a/b/; done',
})) {
  test(`colours of ${language} are those of the library`, async () => {
    const { view, element } = stage(await loaded());
    view.set(`\`\`\`${language}\n${code}\n\`\`\``);
    const painted = element.querySelector("code");
    const html = (node) => (node.nodeType === 3 ? escapeHtml(node.data) : `<span class="${node.getAttribute("class")}">${node.childNodes.map(html).join("")}</span>`);
    assert.equal(painted.childNodes.map(html).join(""), highlight.highlight(painted.textContent, { language, ignoreIllegals: true }).value);
    assert.ok(painted.querySelectorAll("span").length > 3);
  });
}

const escapeHtml = (text) => text.replace(/[&<>"']/g, (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" })[letter]);

test("code is coloured when it is final and comes into view, and the library is loaded only then", async () => {
  let loads = 0;
  const watched = new Map();
  class Observer {
    constructor(call) {
      this.observe = (node) => watched.set(node, () => call([{ isIntersecting: true, target: node }]));
      this.unobserve = (node) => watched.delete(node);
    }
  }
  const highlighter = new Highlighter(() => ((loads += 1), Promise.resolve({ default: highlight })), Observer);
  const { view, element, frame } = stage({ ...PLAIN, highlighter });
  view.push("```js\nlet a;\n");
  frame();
  assert.equal(watched.size, 0);
  view.push("```\n\n```nosuch\nx\n```\n\n```\ny\n```\n");
  frame();
  assert.deepEqual([watched.size, loads], [2, 0]);
  for (const seen of [...watched.values()]) seen();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(loads, 1);
  assert.equal(element.querySelector(".hljs-keyword").textContent, "let");
  assert.equal(watched.size, 0);
  view.push("```js\n1\n```\n");
  view.end();
  assert.equal(watched.size, 1);
  view.destroy();
  assert.equal(watched.size, 0);
});

test("a library that does not load is asked for again with the next block", async () => {
  let loads = 0;
  const load = () => ((loads += 1), loads === 1 ? Promise.reject(new Error("offline")) : Promise.resolve({ default: highlight }));
  const { view, element } = stage({ ...PLAIN, highlighter: new Highlighter(load, null) });
  view.set("```js\n1\n```\n");
  await new Promise((resolve) => setImmediate(resolve));
  view.set("```js\n1\n```\n\n```js\n2\n```\n");
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(element.querySelectorAll(".hljs-number").length, 2);
});

test("a formula is drawn once its end has come; a faulty one shows its source", async () => {
  const { mathematics } = await loaded();
  const { view, element, frame } = stage({ ...PLAIN, mathematics });
  view.push("a $\\frac{1}{2}");
  frame();
  assert.equal(element.querySelector("math"), null);
  view.push("$ b");
  frame();
  const [math] = element.querySelectorAll("math");
  assert.equal(math.namespaceURI, "http://www.w3.org/1998/Math/MathML");
  assert.equal(math.textContent, "12");
  view.push(" and $\\nosuch{$ c");
  frame();
  assert.equal(element.querySelectorAll("math")[0], math, "it is not drawn again");
  assert.equal(element.querySelectorAll(".md-math")[1].textContent, "$\\nosuch{$");
});

test("Temml is loaded with the first formula, and the page is told when it is drawn", async () => {
  let loads = 0;
  let renders = 0;
  const temml = await import("../../llms/ui/vendor/temml.mjs");
  const mathematics = new Mathematics(() => ((loads += 1), Promise.resolve(temml)));
  const { view, element } = stage({ ...PLAIN, mathematics, onRender: () => (renders += 1) });
  view.set("no formula, $5");
  assert.equal(loads, 0);
  view.set("$a$ $$b$$");
  const before = renders;
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([loads, element.querySelectorAll("math").length, renders > before], [1, 2, true]);
});

test("bold in formulas needs no style attribute", async () => {
  const { mathematics } = await loaded();
  const { view, element } = stage({ ...PLAIN, mathematics });
  view.set("$\\pmb{x}$ $\\sideset{_a^b}{_c^d}\\sum$");
  assert.equal(element.querySelector("math").childNodes[0].style["font-weight"], "bold");
});

const HEALED = {
  "a **b": '<p>"a "<strong>"b"</strong></p>',
  "a **b*": '<p>"a "<strong>"b"</strong></p>',
  "a *b **c": '<p>"a "<em>"b "<strong>"c"</strong></em></p>',
  "a **": '<p>"a "</p>',
  "a ~~b ": '<p>"a "<del>"b"</del></p>',
  "a `b": '<p>"a "<code>"b"</code></p>',
  "a ``b`": '<p>"a "<code>"b"</code></p>',
  "a `": '<p>"a "</p>',
  "a `*b` *c": '<p>"a "<code>"*b"</code>" "<em>"c"</em></p>',
  "a [b": '<p>"a b"</p>',
  "a [b **c](http://x": '<p>"a b "<strong>"c"</strong></p>',
  "a ![b](http": '<p>"a "</p>',
  "snake_case and 2 * 3": '<p>"snake_case and 2 * 3"</p>',
  "http://x.y/a_b*c": '<p><a class="md-link" href="http://x.y/a_b*c">"http://x.y/a_b*c"</a></p>',
  "a\\*b *c": '<p>"a*b "<em>"c"</em></p>',
  "text\n-": '<p>"text"</p>',
  "text\n==": '<p>"text"</p>',
  "#": "",
  "``": "",
  "```py": "",
  "> a **b": '<blockquote><p>"a "<strong>"b"</strong></p></blockquote>',
  "- a\n- **b": '<ul><li>"a"</li><li><strong>"b"</strong></li></ul>',
  "| a | *b": '<div class="md-table"><table><thead><tr><th scope="col">"a"</th><th scope="col"><em>"b"</em></th></tr></thead></table></div>',
  "| a | b |\n|": '<div class="md-table"><table><thead><tr><th scope="col">"a"</th><th scope="col">"b"</th></tr></thead></table></div>',
  "| a | b |\n|--": '<div class="md-table"><table><thead><tr><th scope="col">"a"</th><th scope="col">"b"</th></tr></thead></table></div>',
  "a \ud83d": '<p>"a "</p>',
};

for (const [text, expected] of Object.entries(HEALED)) {
  test(`${JSON.stringify(text)} on the way`, () => assert.equal(live(text), expected));
}

test("marks in a block that is closed are left as they were written", () => {
  assert.equal(live("a **b\n\n"), '<p>"a **b"</p>');
  assert.equal(live("a **b\n\nc"), '<p>"a **b"</p><p>"c"</p>');
});

test("no letter that was shown is taken away while plain text comes", () => {
  const text = "One word. Then 42 more: (yes) it's fine — ok?\nNext line, 3 of 4\n\nNew paragraph; end";
  const { view, element, frame } = stage();
  let shown = "";
  for (const letter of text) {
    view.push(letter);
    frame();
    assert.ok(element.textContent.startsWith(shown.trimEnd()), `${JSON.stringify(shown)} → ${JSON.stringify(element.textContent)}`);
    shown = element.textContent;
  }
});

test("an open fence grows in one text node, and its buttons stay", () => {
  const { view, element, frame } = stage();
  view.push("a\n\n```js\nlet a");
  frame();
  const figure = element.querySelector("figure");
  const button = figure.querySelector("button");
  const node = figure.querySelector("code").firstChild;
  for (const part of [" = 1;\n", "let b;", "\n``", "` no end\n", "\n  x"]) {
    view.push(part);
    frame();
    assert.equal(figure.querySelector("code").firstChild, node);
  }
  assert.equal(node.data, "let a = 1;\nlet b;\n``` no end\n\n  x");
  view.push("\n```\nb");
  frame();
  assert.equal(element.querySelector("button"), button);
  assert.equal(figure.querySelector("code").textContent, "let a = 1;\nlet b;\n``` no end\n\n  x");
  assert.equal(element.textContent.endsWith("xb"), true);
});

test("a fence in tildes, longer ones, and an indented one close as they should", () => {
  for (const text of ["~~~\na\n```\nb\n~~~\nend", "````\na\n```\nb\n````\nend", "  ```\n  a\n  ```\nend", "```\na\n   ```   \nend", "```\n```\nend"]) {
    const { view, frame, html } = stage();
    for (const letter of `${text}\n\n`) {
      view.push(letter);
      frame();
    }
    assert.equal(html(), once(text));
    assert.ok(html().endsWith('<p dir="auto">"end"</p>'));
  }
});

test("closed blocks, items and rows keep their nodes", () => {
  const { view, element, frame } = stage();
  const add = (text) => {
    view.push(text);
    frame();
  };
  add("first\n\n- 0\n");
  const [first] = element.childNodes;
  for (let item = 1; item < 40; item += 1) add(`- ${item} **x**\n`);
  const items = element.querySelectorAll("li");
  for (let item = 40; item < 60; item += 1) add(`- ${item}\n`);
  assert.deepEqual(element.querySelectorAll("li").slice(0, 40), items);
  add("\n| a |\n|---|\n");
  for (let row = 0; row < 40; row += 1) add(`| ${row} |\n`);
  const rows = element.querySelectorAll("tr");
  for (let row = 40; row < 60; row += 1) add(`| ${row} |\n`);
  assert.deepEqual(element.querySelectorAll("tr").slice(0, 41), rows);
  view.end();
  assert.deepEqual(element.querySelectorAll("li").slice(0, 40), items);
  assert.deepEqual(element.querySelectorAll("tr").slice(0, 41), rows);
  assert.equal(element.childNodes[0], first);
});

test("the work for one more item or row does not grow with their number", (context) => {
  const { view, frame } = stage();
  let made = 0;
  for (const name of ["createElement", "createTextNode"]) {
    const make = document[name].bind(document);
    context.mock.method(document, name, (...given) => ((made += 1), make(...given)));
  }
  const nodes = (line, count) => {
    made = 0;
    for (let drawn = 0; drawn < count; drawn += 1) {
      view.push(line);
      frame();
    }
    return made;
  };
  for (const [head, line] of [["", "- an item with **some** text\n"], ["| a | b |\n|---|---|\n", "| some | text |\n"], ["```\n", "some code\n"]]) {
    view.set("");
    view.push(head);
    const early = nodes(line, 100);
    nodes(line, 300);
    const late = nodes(line, 100);
    assert.ok(late < 1.5 * early, `${JSON.stringify(line)}: ${early} → ${late} nodes`);
  }
});

test("a list that becomes loose is drawn so from the first item on", () => {
  const { view, frame, html } = stage();
  const tight = Array.from({ length: 20 }, (_, item) => `- ${item}\n`).join("");
  view.push(tight);
  frame();
  view.push("\n- 20\n- 21\n\nend\n\n");
  frame();
  assert.equal(html(), once(`${tight}\n- 20\n- 21\n\nend`));
});

test("a definition that comes late is used at the end, one that comes early at once", () => {
  const { view, element, frame } = stage();
  for (const part of ["[a]\n\n[b]\n\n", "[a]: http://x.y\n\n", "[a]\n\n"]) {
    view.push(part);
    frame();
  }
  assert.equal(element.querySelectorAll("a").length, 1);
  view.end();
  assert.equal(element.querySelectorAll("a").length, 2);
});

test("line ends of every kind, also cut in two", () => {
  const { view, html } = stage();
  for (const letter of "# a\r\n\r\nb\rc\r") view.push(letter);
  view.end();
  assert.equal(html(), once("# a\n\nb\nc\n"));
  assert.equal(view.text, "# a\n\nb\nc\n");
});

test("it draws once a frame, however much comes", () => {
  let renders = 0;
  const { view, frame, clock } = stage({ ...PLAIN, onRender: () => (renders += 1) });
  for (let part = 0; part < 100; part += 1) view.push("a ");
  assert.equal(renders, 0);
  frame();
  assert.equal(renders, 1);
  assert.equal(clock.frame, null);
  view.push("");
  assert.equal(clock.frame, null);
});

test("after a dear drawing it rests five times as long", () => {
  const { view, frame, wait, clock } = stage({ ...PLAIN, onRender: () => (clock.now += clock.cost) });
  clock.cost = 10;
  view.push("a");
  frame();
  view.push("b");
  assert.equal(clock.frame, null);
  wait(49);
  assert.equal(clock.frame, null);
  wait(1);
  assert.notEqual(clock.frame, null);
  clock.cost = 4;
  frame();
  view.push("c");
  assert.notEqual(clock.frame, null);
});

test("in a hidden tab it waits, and draws when the tab is seen again", () => {
  const { view, element, clock } = stage();
  view.push("a");
  view.push("b");
  clock.seen();
  assert.equal(element.textContent, "ab");
  assert.equal(clock.frame, null);
  clock.seen();
});

test("an end needs no frame", () => {
  const { view, element, clock } = stage();
  view.push("a **b");
  assert.equal(element.classList.contains("md-streaming"), true);
  view.end();
  assert.equal(element.textContent, "a **b");
  assert.deepEqual([clock.frame, element.classList.contains("md-streaming")], [null, false]);
});

test("what is destroyed is empty, and draws nothing more", () => {
  const { view, element, clock } = stage();
  view.push("a");
  view.destroy();
  assert.deepEqual([element.childNodes.length, clock.frame, clock.seen, element.getAttribute("class")], [0, null, null, ""]);
});

test("a press on wrap turns lines, and stays while the block grows", () => {
  const { view, element, frame } = stage();
  view.push("- a\n\n  ```js\n  let a;\n");
  frame();
  const button = element.querySelector(".md-code-wrap");
  const press = new Event("click");
  Object.defineProperty(press, "target", { value: button });
  element.dispatchEvent(press);
  view.push("  let b;\n  ```\n- c\n\nd");
  view.end();
  assert.equal(element.querySelector("figure").hasAttribute("data-wrap"), true);
  assert.equal(element.querySelector(".md-code-wrap").getAttribute("aria-pressed"), "true");
});

test("before a link that carries much the person is asked", () => {
  const asked = [];
  const { view, element } = stage({ ...PLAIN, confirm: (text) => (asked.push(text), false) });
  view.set(`[a](https://x.y/?q=${"s".repeat(200)}) [b](https://x.y)`);
  const prevented = element.querySelectorAll("a").map((link) => {
    const press = new Event("click", { cancelable: true });
    Object.defineProperty(press, "target", { value: link });
    element.dispatchEvent(press);
    return press.defaultPrevented;
  });
  assert.deepEqual(prevented, [true, false]);
  assert.match(asked[0], /https:\/\/x\.y\/\?q=sss/);
});

test("names of characters", () => {
  assert.equal(decode("&nbsp;&auml;&Omega;&omega;&rarr;&hellip;&#128512;&#x1F600;&zwj;"), "\u00a0äΩω→…😀😀\u200d");
  assert.equal(decode("&AMP; &amp &; &#; &#0; &#xD800; &#x110000; &amp;amp;"), "&AMP; &amp &; &#; \ufffd \ufffd \ufffd &amp;");
  assert.equal(decode("&equals;&semi;&bsol;&NewLine;&yuml;&Phi;&sigmaf;"), "=;\\\nÿΦς");
});

test("two texts of a page have footnotes of their own", () => {
  assert.match(once("a[^1]\n\n[^1]: b", { ...PLAIN, id: "m7" }), /href="#m7-1".*id="m7-1"/);
});

test("what is written is what is read", () => assert.equal(write(stage().element), '<div class="md"></div>'));
