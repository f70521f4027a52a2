// A thread's messages as a tree by parentId, without storage: what is visible, what stands beside it, and what a
// deletion or a copy does to it. A message whose parent is not there counts as a root, so nothing is ever out of reach.

export class Tree {
  #messages = new Map();
  #children = new Map();

  // messages: any iterable of {id, parentId, createdAt, …}.
  constructor(messages) {
    for (const message of messages) this.#messages.set(message.id, message);
    for (const message of [...this.#messages.values()].sort(inOrder)) {
      const parent = this.parentOf(message);
      if (!this.#children.has(parent)) this.#children.set(parent, []);
      this.#children.get(parent).push(message);
    }
  }

  get size() {
    return this.#messages.size;
  }

  get(id) {
    return this.#messages.get(id);
  }

  // Id of the parent, null for a root.
  parentOf(message) {
    return this.#messages.has(message.parentId) ? message.parentId : null;
  }

  // Messages below one, oldest first; the roots for null.
  children(id) {
    return this.#children.get(id) ?? [];
  }

  // The message and those that could stand in its place, oldest first.
  siblings(id) {
    const message = this.get(id);
    return message ? this.children(this.parentOf(message)) : [];
  }

  // From a root down to the leaf. A leaf that is not there leads to the newest one.
  path(leaf) {
    const path = [];
    const seen = new Set();
    let message = this.get(leaf) ?? this.get(this.newestLeaf(null));
    while (message && !seen.has(message.id)) {
      seen.add(message.id);
      path.push(message);
      message = this.get(message.parentId);
    }
    return path.reverse();
  }

  // Id of the leaf one comes to by taking the newest child each time; the id itself where there is none.
  newestLeaf(id) {
    let [at, seen] = [id, new Set()];
    for (let below; (below = this.children(at).at(-1)) && !seen.has(below.id); at = below.id) seen.add(below.id);
    return at;
  }

  // Ids of a message and all below it.
  subtree(id) {
    const ids = new Set([id]);
    for (const each of ids) for (const child of this.children(each)) ids.add(child.id);
    return [...ids];
  }
}

// What deleting a message does: {removed: ids, moved: [{id, parentId}], leaf: id or null}. With subtree everything below
// goes too; without, it moves up to the parent.
export function removal(tree, leaf, id, { subtree = false } = {}) {
  const message = tree.get(id);
  if (!message) return { removed: [], moved: [], leaf };
  const parentId = tree.parentOf(message);
  const removed = subtree ? tree.subtree(id) : [id];
  const moved = subtree ? [] : tree.children(id).map((child) => ({ id: child.id, parentId }));
  const isLost = !tree.get(leaf) || removed.includes(leaf);
  return { removed, moved, leaf: isLost ? leafBeside(tree, message, removed) : leaf };
}

// Copies for another thread, with ids of their own: the path down to a message, or with branches everything that
// begins where the path does.
export function copies(tree, id, { threadId, newId, branches = false }) {
  const path = tree.path(id);
  const root = path[0]?.id;
  const kept = branches ? tree.subtree(root).map((each) => tree.get(each)) : path;
  const ids = new Map(kept.map((message) => [message.id, newId()]));
  const messages = kept.map((message) => ({
    ...message,
    id: ids.get(message.id),
    threadId,
    parentId: ids.get(message.parentId) ?? null,
  }));
  return { messages, leaf: ids.get(id) ?? null };
}

// Messages of unknown origin made into a sound tree: no parent that is not there, no circle.
export function sound(messages) {
  const known = new Map(messages.map((message) => [message.id, message]));
  const parents = new Map(messages.map(({ id, parentId }) => [id, known.has(parentId) ? parentId : null]));
  const settled = new Set();
  for (const start of known.keys()) {
    const trail = new Set();
    for (let at = start; at !== null && !settled.has(at); at = parents.get(at)) {
      if (trail.has(at)) parents.set(at, null);
      trail.add(at);
    }
    for (const id of trail) settled.add(id);
  }
  return [...known.values()].map((message) => ({ ...message, parentId: parents.get(message.id) }));
}

// The nearest that is left: what stood below and moved up, then beside, then above.
function leafBeside(tree, message, removed) {
  const parent = tree.parentOf(message);
  const below = removed.length === 1 ? tree.children(message.id).at(-1) : undefined;
  const beside = tree.siblings(message.id);
  const before = beside.filter((other) => other.id !== message.id && inOrder(other, message) < 0).at(-1);
  const nearest = below ?? before ?? beside.find((other) => other.id !== message.id);
  return nearest ? tree.newestLeaf(nearest.id) : parent;
}

function inOrder(one, other) {
  return one.createdAt - other.createdAt || (one.id < other.id ? -1 : one.id > other.id ? 1 : 0);
}
