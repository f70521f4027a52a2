// Texts written to do harm: nothing comes of them but text and the few elements that are allowed.

import assert from "node:assert/strict";
import test from "node:test";

import { elements } from "./dom.mjs";
import { PAYLOADS } from "./hostile_payloads.mjs";
import { loaded, stage } from "./markdown_stage.mjs";

const OPTIONS = await loaded();
const HTML = "p h1 h2 h3 h4 h5 h6 hr ul ol li blockquote div table thead tbody tr th td strong em del code pre figure figcaption button span a img br input sup";
const MATHML = "math mrow mi mn mo mtext mspace msup msub msubsup mover munder munderover mfrac msqrt mroot mtable mtr mtd mstyle mpadded mphantom menclose semantics";
const NAMES = new Set(`${HTML} ${MATHML}`.split(" "));
const HREF = /^(?:https?:\/\/|mailto:|#footnote-)/;
const SRC = /^(?:data:image\/|blob:)/;
const ATTRIBUTES = {
  a: "class href target rel title data-host data-carries-much data-md aria-label",
  img: "class src alt title loading decoding",
  input: "type disabled checked aria-label",
  button: "type class data-md aria-pressed",
  div: "class tabindex role aria-label id dir data-tex data-display data-state",
  span: "class dir data-tex data-display data-state",
  figure: "class dir data-language",
  pre: "tabindex role aria-label",
  code: "class data-state",
  ol: "dir start",
  li: "dir class",
  th: "dir scope data-align",
  td: "dir data-align",
  p: "dir class",
  sup: "class",
  figcaption: "class",
};
const MATHML_ATTRIBUTES = /^(?:class|dir|display|displaystyle|scriptlevel|mathvariant|math(?:color|background|size)|(?:l|r)space|stretchy|width|height|depth|voffset|fence|form|accent\w*|largeop|movablelimits|notation|linethickness|m(?:ax|in)size|columnalign|rowspacing|columnspacing|symmetric|separator)$/;

function check(node) {
  assert.ok(NAMES.has(node.localName), `the element ${node.localName}`);
  const isMath = node.namespaceURI.endsWith("MathML");
  const allowed = (ATTRIBUTES[node.localName] ?? "dir class").split(" ");
  for (const name of node.getAttributeNames()) {
    assert.ok(isMath ? MATHML_ATTRIBUTES.test(name) : allowed.includes(name), `the attribute ${name} of ${node.localName}`);
  }
  if (node.hasAttribute("href")) assert.match(node.getAttribute("href"), HREF);
  if (node.hasAttribute("src")) assert.match(node.getAttribute("src"), SRC);
}

for (const [name, text] of Object.entries(PAYLOADS)) {
  test(`${name}: at once and letter by letter`, () => {
    const { view, element, frame } = stage(OPTIONS);
    for (const letter of text) {
      view.push(letter);
      frame();
      elements(element).forEach(check);
    }
    view.end();
    elements(element).forEach(check);
    const [, shown] = /(alert\(1\)|evil\.test)/.exec(text) ?? [null, ""];
    if (text.startsWith("<")) assert.ok(element.textContent.includes(shown), "raw HTML is shown as it was written");
  });
}

test("what is nested too deep is shown as it was written", () => {
  for (const text of ["> ".repeat(3000) + "deep", Array.from({ length: 100 }, (_, depth) => " ".repeat(2 * depth) + "- deep").join("\n")]) {
    const { view, element } = stage(OPTIONS);
    view.set(`before\n\n${text}`);
    assert.match(element.textContent, /deep$/);
  }
});

test("links that are allowed say where they lead, and tell nobody where they come from", () => {
  const { view, element } = stage(OPTIONS);
  view.set("[a](https://x.y/z) <mailto:a@b.c> https://x.y www.w.org [b](HTTPS://X.Y)");
  const links = element.querySelectorAll("a");
  assert.deepEqual(links.map((link) => link.getAttribute("href")), ["https://x.y/z", "mailto:a@b.c", "https://x.y/", "http://www.w.org/", "https://x.y/"]);
  assert.deepEqual(links.map((link) => link.getAttribute("data-host")), ["x.y", "a@b.c", "x.y", "www.w.org", "x.y"]);
  for (const link of links) assert.deepEqual([link.getAttribute("rel"), link.getAttribute("target")], ["noopener noreferrer nofollow", "_blank"]);
});

test("a text that pretends to be another address is followed by the true host", () => {
  const { view, element } = stage(OPTIONS);
  view.set("[https://bank.test/login](https://evil.test) [bank.test](https://bank.test@evil.test) [bank.test](https://www.bank.test/x) [see](https://evil.test)");
  const shown = element.querySelectorAll("a").map((link) => link.textContent);
  assert.deepEqual(shown, ["https://bank.test/login (evil.test)", "bank.test (evil.test)", "bank.test", "see"]);
});

test("a link that carries much is marked, so that the person is asked", () => {
  const { view, element } = stage(OPTIONS);
  view.set(`[a](https://x.y/?q=${"s".repeat(200)}) [b](https://x.y/#${"s".repeat(200)}) [c](https://x.y/?q=1)`);
  assert.deepEqual(element.querySelectorAll("a").map((link) => link.hasAttribute("data-carries-much")), [true, true, false]);
});

test("an image from elsewhere is a link that says from where; one that is here is shown", () => {
  const { view, element } = stage(OPTIONS);
  view.set("![a cat](https://pics.test/c.png 'Tom') ![](https://pics.test/d.png) ![dot](data:image/png;base64,iVBORw0KGgo=)");
  assert.deepEqual(element.querySelectorAll(".md-image-link").map((link) => link.textContent), ["a cat image from pics.test", "image from pics.test"]);
  const [image, ...others] = element.querySelectorAll("img");
  assert.deepEqual([image.getAttribute("alt"), image.getAttribute("src").slice(0, 15), others.length], ["dot", "data:image/png;", 0]);
});

for (const [name, text] of Object.entries({
  "a thousand quotes": "> ".repeat(3000) + "deep",
  "quotes by the line": Array.from({ length: 400 }, (_, depth) => ">".repeat(depth) + " x").join("\n"),
  "lists in lists": Array.from({ length: 300 }, (_, depth) => " ".repeat(2 * depth) + "- x").join("\n"),
  "stars": "*a".repeat(5000),
  "brackets": "[".repeat(5000) + "](",
  "open links": "[a](b".repeat(3000),
  "open images": "![a](".repeat(3000),
  "ticks": Array.from({ length: 200 }, (_, length) => "`".repeat(length)).join(" "),
  "dollars": "$a ".repeat(5000) + "$$".repeat(2000),
  "open tags": "<a ".repeat(5000),
  "entities": "&amp;&#0;&#xD800;&#x110000;&nosuch;&".repeat(2000),
  "pipes": "|".repeat(2000) + "\n" + "|-".repeat(2000) + "|\n" + "|".repeat(2000),
  "references": "[a][".repeat(3000),
  "emphasis across emphasis": "*a _b ".repeat(4000) + "c_ d*".repeat(4000),
  "emphasis in emphasis": "**_".repeat(2000) + "x" + "_**".repeat(2000),
})) {
  test(`${name}: it ends in good time`, () => {
    const start = performance.now();
    const { view, element, frame } = stage(OPTIONS);
    for (let at = 0; at < text.length; at += Math.ceil(text.length / 5)) {
      view.push(text.slice(at, at + Math.ceil(text.length / 5)));
      frame();
    }
    view.end();
    elements(element).forEach(check);
    assert.ok(performance.now() - start < 20_000);
  });
}
