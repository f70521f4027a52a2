// Spans into nodes. Raw HTML is text, but for a line break, which tables have no other word for.

import { element } from "./element.mjs";
import { decode } from "./entities.mjs";
import { image, link } from "./links.mjs";
import { formula } from "./math.mjs";

const LINE_BREAK = /^<br\s*\/?>$/i;
const DEEPEST = 40;

// scene: {document, labels, id}. Returns nodes and texts; neighbouring texts are one.
export function inline(tokens, scene, depth = 0) {
  const nodes = [];
  const add = (node) => {
    if (typeof node === "string" && typeof nodes.at(-1) === "string") nodes[nodes.length - 1] += node;
    else if (node !== "") nodes.push(node);
  };
  for (const token of tokens) {
    const render = depth < DEEPEST && Object.hasOwn(SPANS, token.type) ? SPANS[token.type] : asWritten;
    add(render(token, scene, depth + 1));
  }
  return nodes;
}

const wrap = (name) => (token, scene, depth) => element(scene.document, name, {}, inline(token.tokens, scene, depth));
const asWritten = (token) => token.raw;

const SPANS = {
  text: (token) => (token.escaped ? token.raw : decode(token.text)),
  escape: (token) => token.text,
  strong: wrap("strong"),
  em: wrap("em"),
  del: wrap("del"),
  br: (_, { document }) => element(document, "br"),
  codespan: (token, { document }) => element(document, "code", {}, [token.text]),
  html: (token, { document }) => (LINE_BREAK.test(token.raw) ? element(document, "br") : token.raw),
  link(token, scene, depth) {
    const nodes = token.autolink ? [token.text] : inline(token.tokens, scene, depth);
    return link(scene.document, { address: literal(token), title: token.title, text: textOf(nodes) }, nodes);
  },
  image(token, scene, depth) {
    const text = textOf(inline(token.tokens ?? [], scene, depth));
    return image(scene.document, { address: token.href, title: token.title, text }, scene.labels);
  },
  math: (token, scene) => formula(scene.document, token, scene.labels, "span"),
  checkbox: (token, { document, labels }) =>
    element(document, "input", { type: "checkbox", disabled: true, checked: token.checked, "aria-label": token.checked ? labels.done : labels.open }),
  footnote_reference({ label }, { document, labels, id }) {
    const attributes = { class: "md-footnote-link", href: `#${id}-${label}`, "data-md": "footnote", "aria-label": labels.footnote(label) };
    return element(document, "sup", { class: "md-footnote-reference" }, [element(document, "a", attributes, [label])]);
  },
};

// In an address that links itself, an ampersand begins no name.
function literal({ href, autolink }) {
  return autolink ? href.replaceAll("&", "&amp;") : href;
}

function textOf(nodes) {
  return nodes.map((node) => (typeof node === "string" ? node : node.textContent || node.getAttribute("alt") || "")).join("");
}
