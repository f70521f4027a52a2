// Builds one element. Attributes that are null, undefined or false are left out, true is an empty one.

export function element(document, name, attributes = {}, children = []) {
  const node = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    node.setAttribute(attribute, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}
