// Formulas as MathML. Temml is loaded with the first one; until then, and where it finds a fault, the source is shown.
// Its tree becomes nodes here, by a list of what may be in one: no links, no ids, no style attributes.

import { element } from "./element.mjs";

const MATHML = "http://www.w3.org/1998/Math/MathML";
const LONGEST = 5000;
const ELEMENTS = new Set(
  (
    "math semantics mrow mi mn mo ms mtext mspace msup msub msubsup mover munder munderover mmultiscripts mprescripts mfrac " +
    "msqrt mroot mtable mtr mtd mpadded mphantom menclose mstyle merror none"
  ).split(" "),
);
const ATTRIBUTES = new Set(
  (
    "accent accentunder align columnalign columnlines columnspacing columnspan depth display displaystyle fence form frame " +
    "framespacing height largeop linebreak linethickness lspace mathbackground mathcolor mathsize mathvariant maxsize minsize " +
    "movablelimits notation rowalign rowlines rowspacing rowspan rspace scriptlevel separator side stretchy symmetric " +
    "voffset width"
  ).split(" "),
);

// A place for the formula, which reads as its source until it is rendered.
export function formula(document, { text, raw, display }, labels, name = "div") {
  const isWide = display && name === "div";
  const region = isWide ? { tabindex: "0", role: "region", "aria-label": labels.formula } : {};
  const attributes = { class: "md-math", "data-tex": text, "data-display": display, dir: "ltr", ...region };
  return element(document, name, attributes, [raw.trim()]);
}

export class Mathematics {
  #load;
  #temml = null;
  #loading = null;
  #waiting = new Map(); // places, and whom to tell

  constructor(load = () => import("temml")) {
    this.#load = load;
  }

  // Renders the formulas in a node, at once or when Temml has come; `then` is called in the second case.
  render(node, then = () => {}) {
    const places = node.classList.contains("md-math") ? [node] : [...node.querySelectorAll(".md-math")];
    for (const place of places) {
      if (place.hasAttribute("data-state")) continue;
      if (this.#temml) this.#renderOne(place);
      else this.#waiting.set(place, then);
    }
    if (this.#waiting.size) this.#loading ??= this.#fetch();
  }

  async #fetch() {
    try {
      this.#temml = (await this.#load()).default;
      for (const place of this.#waiting.keys()) this.#renderOne(place);
      for (const then of new Set(this.#waiting.values())) then();
    } catch {
      this.#loading = null; // the next formula asks again
    }
    this.#waiting.clear();
  }

  #renderOne(place) {
    if (place.hasAttribute("data-state")) return;
    const tex = place.getAttribute("data-tex");
    try {
      if (tex.length > LONGEST) throw new RangeError("too long");
      const options = { displayMode: place.hasAttribute("data-display"), throwOnError: true, trust: false, maxExpand: 500, maxSize: [40, 400] };
      const tree = this.#temml.__renderToMathMLTree(tex, options);
      place.replaceChildren(build(place.ownerDocument, tree));
      place.setAttribute("data-state", "rendered");
    } catch {
      place.setAttribute("data-state", "faulty");
    }
  }
}

function build(document, node) {
  if (typeof node.text === "string" && !node.children) return document.createTextNode(node.text);
  const children = (node.children ?? []).map((child) => build(document, child));
  if (!ELEMENTS.has(node.type)) return append(document.createDocumentFragment(), children);
  const made = document.createElementNS(MATHML, node.type);
  for (const [name, value] of Object.entries(node.attributes ?? {})) if (ATTRIBUTES.has(name)) made.setAttribute(name, value);
  if (node.classes?.length) made.setAttribute("class", node.classes.filter(Boolean).join(" "));
  for (const [property, value] of Object.entries(node.style ?? {})) made.style[property] = value;
  if (node.attributes?.style) applyStyle(made.style, node.attributes.style);
  return append(made, children);
}

// A policy that forbids inline styles forbids the attribute, not the property.
function applyStyle(style, text) {
  for (const rule of text.split(";")) {
    const [property, value] = rule.split(":");
    if (value) style.setProperty(property.trim(), value.trim());
  }
}

function append(parent, children) {
  parent.append(...children);
  return parent;
}
