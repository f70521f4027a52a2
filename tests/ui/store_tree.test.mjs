// The tree of a thread: whatever is done to it, one path is visible, it begins at a root, and nothing is out of reach.

import assert from "node:assert/strict";
import test from "node:test";

import { Tree, copies, removal, sound } from "../../llms/ui/store/tree.mjs";
import { dice } from "./stage.mjs";

let clock = 0;
const message = (id, parentId = null, createdAt = (clock += 1)) => ({ id, parentId, createdAt, role: "user", parts: [] });
const idsOf = (messages) => messages.map(({ id }) => id);

// a ─ b ─ c          (c is older than d)
//       └ d ─ e
const SMALL = () => [message("a"), message("b", "a"), message("c", "b"), message("d", "b"), message("e", "d")];

test("a path leads from the root to the leaf", () => {
  const tree = new Tree(SMALL());
  assert.deepEqual(idsOf(tree.path("c")), ["a", "b", "c"]);
  assert.deepEqual(idsOf(tree.path("e")), ["a", "b", "d", "e"]);
  assert.deepEqual(idsOf(tree.path("b")), ["a", "b"]);
});

test("a leaf that is gone or unknown leads to the newest", () => {
  const tree = new Tree(SMALL());
  assert.deepEqual(idsOf(tree.path(null)), ["a", "b", "d", "e"]);
  assert.deepEqual(idsOf(tree.path("gone")), ["a", "b", "d", "e"]);
  assert.deepEqual(new Tree([]).path(null), []);
});

test("siblings stand in the order in which they were written, roots among themselves", () => {
  const tree = new Tree([...SMALL(), message("f")]);
  assert.deepEqual(idsOf(tree.siblings("d")), ["c", "d"]);
  assert.deepEqual(idsOf(tree.siblings("a")), ["a", "f"]);
  assert.deepEqual(tree.siblings("gone"), []);
});

test("messages of the same moment have an order all the same", () => {
  const twins = [message("y", null, 1), message("x", null, 1)];
  assert.deepEqual(idsOf(new Tree(twins).children(null)), ["x", "y"]);
  assert.deepEqual(idsOf(new Tree(twins.reverse()).children(null)), ["x", "y"]);
});

test("a message whose parent is gone is a root", () => {
  const tree = new Tree([message("a"), message("lost", "gone")]);
  assert.deepEqual(idsOf(tree.children(null)), ["a", "lost"]);
  assert.deepEqual(idsOf(tree.path("lost")), ["lost"]);
});

test("deleting in the middle moves up what follows", () => {
  const tree = new Tree(SMALL());
  assert.deepEqual(removal(tree, "e", "b"), { removed: ["b"], moved: [{ id: "c", parentId: "a" }, { id: "d", parentId: "a" }], leaf: "e" });
});

test("deleting with all that follows leaves the neighbour visible", () => {
  const tree = new Tree(SMALL());
  assert.deepEqual(removal(tree, "e", "d", { subtree: true }), { removed: ["d", "e"], moved: [], leaf: "c" });
  assert.deepEqual(removal(tree, "e", "b", { subtree: true }).leaf, "a");
  assert.deepEqual(removal(tree, "e", "a", { subtree: true }).leaf, null);
});

test("deleting the leaf shows what stood beside it, else what stood above", () => {
  const tree = new Tree(SMALL());
  assert.equal(removal(tree, "c", "c").leaf, "e");
  assert.equal(removal(tree, "e", "e").leaf, "d");
  assert.equal(removal(tree, "gone", "c").leaf, "e");
});

test("deleting what is not there changes nothing", () => {
  assert.deepEqual(removal(new Tree(SMALL()), "e", "gone"), { removed: [], moved: [], leaf: "e" });
});

test("a copy holds the path, or with branches all that grew from its root", () => {
  let next = 0;
  const newId = () => `n${(next += 1)}`;
  const tree = new Tree([...SMALL(), message("f")]);
  const path = copies(tree, "d", { threadId: "t", newId });
  assert.deepEqual(path.messages.map(({ id, parentId, threadId }) => [id, parentId, threadId]), [["n1", null, "t"], ["n2", "n1", "t"], ["n3", "n2", "t"]]);
  assert.equal(path.leaf, "n3");
  const all = copies(tree, "d", { threadId: "t", newId, branches: true });
  assert.equal(all.messages.length, 5);
  assert.deepEqual(new Tree(all.messages).path(all.leaf).length, 3);
});

test("circles and lost parents of an import become roots, once", () => {
  const repaired = new Tree(sound([message("a", "b"), message("b", "c"), message("c", "a"), message("d", "c"), message("e", "gone"), message("s", "s")]));
  assert.equal(repaired.size, 6);
  assert.deepEqual(idsOf(repaired.children(null)), ["a", "e", "s"]);
  assert.deepEqual(idsOf(repaired.path("d")), ["a", "c", "d"]);
  assert.equal(reachable(repaired).size, 6);
});

// ---- whatever is done to a tree

function reachable(tree) {
  const seen = new Set();
  const walk = (id) => {
    for (const child of tree.children(id)) {
      assert.ok(!seen.has(child.id), "reached twice");
      seen.add(child.id);
      walk(child.id);
    }
  };
  walk(null);
  return seen;
}

function check({ messages, leaf }) {
  const tree = new Tree(messages.values());
  for (const { id, parentId } of messages.values()) assert.ok(parentId === null || messages.has(parentId), `${id} is an orphan`);
  assert.equal(reachable(tree).size, messages.size);
  const path = tree.path(leaf);
  assert.equal(path.length > 0, messages.size > 0);
  if (!path.length) return assert.equal(leaf, null);
  assert.equal(path.at(-1).id, leaf);
  assert.equal(path[0].parentId, null);
  for (let at = 1; at < path.length; at += 1) assert.equal(path[at].parentId, path[at - 1].id);
}

const ACTIONS = {
  answer(thread, roll, fresh) {
    thread.messages.set(fresh, message(fresh, thread.leaf));
    thread.leaf = fresh;
  },
  beside(thread, roll, fresh) {
    const other = roll.pick([...thread.messages.values()]);
    thread.messages.set(fresh, message(fresh, other ? other.parentId : null));
    thread.leaf = fresh;
  },
  remove(thread, roll) {
    const tree = new Tree(thread.messages.values());
    const target = roll.pick([...thread.messages.keys()]);
    if (!target) return;
    const { removed, moved, leaf } = removal(tree, thread.leaf, target, { subtree: roll.below(3) === 0 });
    for (const id of removed) thread.messages.delete(id);
    for (const { id, parentId } of moved) thread.messages.set(id, { ...thread.messages.get(id), parentId });
    thread.leaf = leaf;
  },
  show(thread, roll) {
    const target = roll.pick([...thread.messages.keys()]);
    if (target) thread.leaf = new Tree(thread.messages.values()).newestLeaf(target);
  },
  fork(thread, roll, fresh) {
    const target = roll.pick([...thread.messages.keys()]);
    if (!target) return;
    let next = 0;
    const before = new Tree(thread.messages.values()).path(target).length;
    const { messages, leaf } = copies(new Tree(thread.messages.values()), target, { threadId: "f", newId: () => `${fresh}.${(next += 1)}`, branches: roll.below(2) === 0 });
    thread.messages = new Map(messages.map((each) => [each.id, each]));
    thread.leaf = leaf;
    assert.equal(new Tree(messages).path(leaf).length, before);
  },
};

test("400 random lives of a thread keep one path and no orphan", () => {
  for (let seed = 1; seed <= 400; seed += 1) {
    const roll = dice(seed);
    const thread = { messages: new Map(), leaf: null };
    for (let step = 0; step < 40; step += 1) {
      const name = roll.pick(["answer", "answer", "beside", "remove", "show", "fork"]);
      ACTIONS[name](thread, roll, `${seed}-${step}`);
      check(thread);
    }
  }
});

test("1,000 random graphs become sound trees, which repairing leaves as they are", () => {
  for (let seed = 1; seed <= 1000; seed += 1) {
    const roll = dice(seed);
    const names = Array.from({ length: 1 + roll.below(9) }, (_, index) => `m${index}`);
    const given = names.map((id) => message(id, roll.pick([...names, null, "gone"])));
    const repaired = sound(given);
    check({ messages: new Map(repaired.map((each) => [each.id, each])), leaf: new Tree(repaired).newestLeaf(null) });
    assert.deepEqual(sound(repaired), repaired);
    const broken = given.filter((each, index) => each.parentId !== repaired[index].parentId).length;
    assert.ok(broken <= given.filter(({ parentId }) => parentId === "gone").length + circles(given), "no more was cut than needed");
  }
});

function circles(messages) {
  const parents = new Map(messages.map(({ id, parentId }) => [id, parentId]));
  const found = new Set();
  for (const start of parents.keys()) {
    const trail = [];
    let at = start;
    while (parents.has(at) && !trail.includes(at)) trail.push(at), (at = parents.get(at));
    if (trail.includes(at)) found.add([...trail.slice(trail.indexOf(at))].sort()[0]);
  }
  return found.size;
}
