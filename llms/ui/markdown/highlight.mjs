// Colours for code: highlight.js reads it, its tree becomes spans. It is loaded with the first block that needs it, and each
// block is painted when it comes into view.

const LONGEST = 60_000; // characters; more would hold the page up
const MARGIN = "400px";

export class Highlighter {
  #load;
  #library = null;
  #loading = null;
  #observer = null;

  // load: returns highlight.js as a module. Observer: the class, null to paint everything at once.
  constructor(load = () => import("highlight.js"), Observer = globalThis.IntersectionObserver ?? null) {
    this.#load = load;
    if (Observer) this.#observer = new Observer((entries) => this.#seen(entries), { rootMargin: MARGIN });
  }

  // Takes charge of the code blocks below a node, which will not change any more.
  watch(node) {
    for (const code of blocksIn(node)) {
      if (this.#observer) this.#observer.observe(code);
      else this.paint(code);
    }
  }

  // Lets go of the code blocks below a node.
  forget(node) {
    if (this.#observer) for (const code of blocksIn(node)) this.#observer.unobserve(code);
  }

  // Paints one block now, or when the library has come.
  paint(code) {
    if (this.#library) return paint(this.#library, code);
    this.#loading ??= this.#load().then((module) => (this.#library = module.default));
    this.#loading.then(
      (library) => paint(library, code),
      () => (this.#loading = null),
    );
  }

  #seen(entries) {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      this.#observer.unobserve(target);
      this.paint(target);
    }
  }
}

function blocksIn(node) {
  return [...node.querySelectorAll("code.hljs")].filter((code) => !code.hasAttribute("data-state") && nameIn(code));
}

function nameIn(code) {
  return /(?:^| )language-(\S+)/.exec(code.getAttribute("class"))?.[1] ?? "";
}

function paint(library, code) {
  const language = nameIn(code);
  const text = code.textContent;
  if (code.hasAttribute("data-state") || text.length > LONGEST || !library.getLanguage(language)) return;
  const tree = library.highlight(text, { language, ignoreIllegals: true })._emitter?.rootNode;
  if (!tree) return;
  code.replaceChildren(...tree.children.map((child) => build(code.ownerDocument, child)));
  code.setAttribute("data-state", "highlighted");
}

function build(document, node) {
  if (typeof node === "string") return document.createTextNode(node);
  const children = node.children.map((child) => build(document, child));
  const made = node.scope ? document.createElement("span") : document.createDocumentFragment();
  if (node.scope) made.setAttribute("class", classOf(node.scope));
  made.append(...children);
  return made;
}

// "title.function" is hljs-title function_, as in the library's own HTML.
function classOf(scope) {
  if (scope.startsWith("language:")) return scope.replace("language:", "language-");
  const [first, ...rest] = scope.split(".");
  return [`hljs-${first}`, ...rest.map((part, place) => `${part}${"_".repeat(place + 1)}`)].join(" ");
}
