// Changes nodes into others as little as possible, so that what a person has selected, focused or scrolled stays.

// Attributes that say what somebody did to a node, not what it is.
const OWN = new Set(["data-state", "aria-pressed", "data-wrap"]);

// Makes the children of `parent`, from the one at `from` on, like the wanted nodes. Those are used up.
export function patchChildren(parent, wanted, from = 0) {
  let have = parent.childNodes[from] ?? null;
  for (const want of wanted) {
    if (have === null) {
      parent.append(want);
      continue;
    }
    const next = have.nextSibling;
    if (have !== want && !patch(have, want)) have.replaceWith(want);
    have = next;
  }
  while (have !== null) {
    const next = have.nextSibling;
    have.remove();
    have = next;
  }
}

// Returns false where the one can not become the other.
function patch(have, want) {
  if (have.nodeType !== want.nodeType || have.nodeName !== want.nodeName) return false;
  if (have.nodeType === TEXT) return patchText(have, want);
  if (have.namespaceURI !== want.namespaceURI) return false;
  const isKept = keepsContent(have, want);
  patchAttributes(have, want);
  if (!isKept) patchChildren(have, [...want.childNodes]);
  return true;
}

const TEXT = 3;

function patchText(have, want) {
  if (have.data === want.data) return true;
  if (want.data.startsWith(have.data)) have.appendData(want.data.slice(have.data.length));
  else have.data = want.data;
  return true;
}

// Highlighted code and rendered formulas have other children than fresh ones, but the same source.
function keepsContent(have, want) {
  if (!have.hasAttribute("data-state") || have.getAttribute("class") !== want.getAttribute("class")) return false;
  const isSame = have.hasAttribute("data-tex")
    ? have.getAttribute("data-tex") === want.getAttribute("data-tex") && have.hasAttribute("data-display") === want.hasAttribute("data-display")
    : have.textContent === want.textContent;
  if (!isSame) have.removeAttribute("data-state");
  return isSame;
}

function patchAttributes(have, want) {
  for (const name of have.getAttributeNames()) if (!OWN.has(name) && !want.hasAttribute(name)) have.removeAttribute(name);
  for (const name of want.getAttributeNames()) {
    const value = want.getAttribute(name);
    if (!OWN.has(name) && have.getAttribute(name) !== value) have.setAttribute(name, value);
  }
}
