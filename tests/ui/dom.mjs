// As much of a document as the renderer needs, for tests without a browser.

class Node extends EventTarget {
  parentNode = null;
  childNodes = [];

  constructor(document) {
    super();
    this.ownerDocument = document;
  }

  get firstChild() {
    return this.childNodes[0] ?? null;
  }

  get nextSibling() {
    const siblings = this.parentNode?.childNodes ?? [];
    return siblings[siblings.indexOf(this) + 1] ?? null;
  }

  get textContent() {
    return this.childNodes.map((child) => child.textContent).join("");
  }

  set textContent(text) {
    this.replaceChildren(...(text === "" ? [] : [text]));
  }

  append(...nodes) {
    for (const node of nodes) this.#insert(node, this.childNodes.length);
  }

  replaceChildren(...nodes) {
    for (const child of this.childNodes) child.parentNode = null;
    this.childNodes = [];
    this.append(...nodes);
  }

  replaceWith(node) {
    const parent = this.parentNode;
    const place = parent.childNodes.indexOf(this);
    this.remove();
    parent.#insert(node, place);
  }

  remove() {
    if (!this.parentNode) return;
    this.parentNode.childNodes.splice(this.parentNode.childNodes.indexOf(this), 1);
    this.parentNode = null;
  }

  contains(node) {
    return node === this || this.childNodes.some((child) => child.contains(node));
  }

  #insert(node, place) {
    const made = typeof node === "string" ? this.ownerDocument.createTextNode(node) : node;
    const nodes = made instanceof Fragment ? [...made.childNodes] : [made];
    for (const each of nodes) each.remove();
    this.childNodes.splice(place, 0, ...nodes);
    for (const each of nodes) each.parentNode = this;
  }
}

class Text extends Node {
  nodeType = 3;
  nodeName = "#text";

  constructor(document, data) {
    super(document);
    this.data = String(data);
  }

  get textContent() {
    return this.data;
  }

  appendData(text) {
    this.data += text;
  }
}

class Fragment extends Node {
  nodeType = 11;
  nodeName = "#document-fragment";
}

class Element extends Node {
  nodeType = 1;
  #attributes = new Map();
  style = { setProperty: (name, value) => (this.style[name] = value) };

  constructor(document, namespace, name) {
    super(document);
    this.namespaceURI = namespace;
    this.localName = name;
    this.nodeName = namespace === HTML ? name.toUpperCase() : name;
    this.classList = new ClassList(this);
  }

  getAttributeNames() {
    return [...this.#attributes.keys()];
  }

  getAttribute(name) {
    return this.#attributes.get(name) ?? null;
  }

  hasAttribute(name) {
    return this.#attributes.has(name);
  }

  setAttribute(name, value) {
    if (/^on|^style$/i.test(name)) throw new Error(`the attribute ${name} is never set`);
    this.#attributes.set(name, String(value));
  }

  removeAttribute(name) {
    this.#attributes.delete(name);
  }

  toggleAttribute(name, isOn) {
    if (isOn) this.setAttribute(name, "");
    else this.removeAttribute(name);
  }

  querySelectorAll(selector) {
    const found = [];
    const search = (node) => {
      for (const child of node.childNodes) {
        if (child.nodeType === 1 && child.matches(selector)) found.push(child);
        search(child);
      }
    };
    search(this);
    return found;
  }

  querySelector(selector) {
    return this.querySelectorAll(selector)[0] ?? null;
  }

  // "name", ".class", "[attribute]", "name.class[attribute]", and lists of those.
  matches(selector) {
    return selector.split(",").some((one) => {
      const [, name, classes, attributes] = /^\s*([\w-]*)((?:\.[\w-]+)*)((?:\[[\w-]+\])*)\s*$/.exec(one);
      const isNamed = !name || this.localName === name;
      const hasClasses = classes.split(".").slice(1).every((each) => this.classList.contains(each));
      return isNamed && hasClasses && [...attributes.matchAll(/\[([\w-]+)\]/g)].every(([, each]) => this.hasAttribute(each));
    });
  }

  closest(selector) {
    return this.matches(selector) ? this : (this.parentNode?.closest?.(selector) ?? null);
  }
}

class ClassList {
  #element;

  constructor(element) {
    this.#element = element;
  }

  contains(name) {
    return this.#names().includes(name);
  }

  add(...names) {
    this.#write([...new Set([...this.#names(), ...names])]);
  }

  remove(...names) {
    this.#write(this.#names().filter((name) => !names.includes(name)));
  }

  #names() {
    return (this.#element.getAttribute("class") ?? "").split(/\s+/).filter(Boolean);
  }

  #write(names) {
    this.#element.setAttribute("class", names.join(" "));
  }
}

const HTML = "http://www.w3.org/1999/xhtml";

export const document = {
  createElement: (name) => new Element(document, HTML, name.toLowerCase()),
  createElementNS: (namespace, name) => new Element(document, namespace, name),
  createTextNode: (data) => new Text(document, data),
  createDocumentFragment: () => new Fragment(document),
};

// The nodes as text, one way of writing for equal trees: names, attributes in order, texts.
export function write(node) {
  if (node.nodeType === 3) return JSON.stringify(node.data);
  const names = node.getAttributeNames().sort();
  const attributes = names.map((name) => ` ${name}=${JSON.stringify(node.getAttribute(name))}`).join("");
  return `<${node.localName}${attributes}>${node.childNodes.map(write).join("")}</${node.localName}>`;
}

// All elements below a node.
export function elements(node) {
  return node.childNodes.filter(({ nodeType }) => nodeType === 1).flatMap((child) => [child, ...elements(child)]);
}
