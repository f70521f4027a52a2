// Commands for the messages of a thread. Each is one change of the database, thread and messages together.

import { newMessage, partsOf, textOf, titleOf, withMarks, withText } from "./message.mjs";
import { edited, newThread } from "./threads.mjs";
import { Tree, copies, removal } from "./tree.mjs";

const FAILURES = 4; // that are kept with one message

export class Messages {
  #records;
  #now;
  #newId;

  constructor({ records, now, newId }) {
    this.#records = records;
    this.#now = now;
    this.#newId = newId;
  }

  async tree(threadId) {
    return new Tree(await this.#records.messagesOf(threadId));
  }

  // Adds one or several siblings {role, parts, parentId, …} and makes the first one the leaf. Without parentId they hang on
  // the leaf. A first message of the user names the thread. Returns the messages, none where the thread is gone.
  async add(threadId, given) {
    const thread = await this.#records.get("threads", threadId);
    if (!thread) return [];
    const first = await this.#nextMoment(threadId);
    const added = [given].flat().map((fields, index) =>
      newMessage({ id: this.#newId(), parentId: thread.leaf, ...fields, threadId, createdAt: first + index }),
    );
    const puts = added.map((message) => ({ store: "messages", put: message }));
    const results = await this.#records.commit([...puts, this.#shown(threadId, added[0])]);
    return results.slice(0, added.length).map(({ after }) => after);
  }

  // The user's message with other parts, as a sibling that becomes the leaf. Returns the new message.
  async edit(threadId, messageId, content) {
    const message = await this.#find(messageId);
    if (!message) return null;
    const { role, parentId, model } = message;
    const [added] = await this.add(threadId, { role, parentId, model, parts: partsOf(content) });
    return added ?? null;
  }

  // Replaces the text (a string) or all parts of a message where it stands.
  rewrite(messageId, content, fields = {}) {
    return this.patch(messageId, (message) => ({
      ...fields,
      stream: null,
      parts: typeof content === "string" ? withText(message.parts, content) : content,
    }));
  }

  // Changes fields of a message: an object, or a function of the message. Nothing happens to one that is gone.
  // Returns the message as it now is, null where it is gone.
  async patch(messageId, fields, options) {
    const edit = (message) => (message ? withMarks({ ...message, ...(typeof fields === "function" ? fields(message) : fields) }) : undefined);
    const [result] = await this.#records.commit([{ store: "messages", id: messageId, edit }], options);
    return result?.after ?? null;
  }

  // Deletes a message; what stands below moves up, or goes too with subtree. Returns what `Undo` needs.
  async remove(threadId, messageId, { subtree = false } = {}) {
    const thread = await this.#records.get("threads", threadId);
    const tree = await this.tree(threadId);
    const { removed, moved, leaf } = removal(tree, thread?.leaf ?? null, messageId, { subtree });
    const moves = moved.map(({ id, parentId }) => ({ store: "messages", id, edit: (message) => (message ? { ...message, parentId } : undefined) }));
    const deletions = removed.map((id) => ({ store: "messages", delete: id }));
    return this.#records.commit([...deletions, ...moves, ...(leaf === thread?.leaf ? [] : [edited(threadId, { leaf })])]);
  }

  // Takes back an answer of which nothing came; why is kept with the message that it would have answered.
  async withdraw(threadId, messageId, failure) {
    const message = await this.#find(messageId);
    if (!message) return;
    const edit = (parent) => (parent ? { ...parent, failures: [...(parent.failures ?? []), failure].slice(-FAILURES) } : undefined);
    const thread = await this.#records.get("threads", threadId);
    const { leaf } = removal(await this.tree(threadId), thread?.leaf ?? null, messageId, { subtree: true });
    const deletion = { store: "messages", delete: messageId };
    await this.#records.commit([deletion, { store: "messages", id: message.parentId ?? "", edit }, edited(threadId, { leaf })]);
  }

  // Makes the newest path through a message the visible one.
  async show(threadId, messageId) {
    const tree = await this.tree(threadId);
    if (tree.get(messageId)) await this.#records.commit([edited(threadId, { leaf: tree.newestLeaf(messageId) })]);
  }

  // A new thread that begins as this one does, up to a message; with branches, all of it. Returns the thread.
  async fork(threadId, messageId, { branches = false, title } = {}) {
    const thread = await this.#records.get("threads", threadId);
    const tree = await this.tree(threadId);
    if (!thread || !tree.get(messageId)) return null;
    const { id: _, rev: __, ...fields } = thread;
    const now = this.#now();
    const begun = { title: title ?? thread.title, pinned: false, createdAt: now, updatedAt: now };
    const fork = newThread({ ...fields, ...begun, id: this.#newId(), now });
    const { messages, leaf } = copies(tree, messageId, { threadId: fork.id, newId: this.#newId, branches });
    const puts = messages.map(({ rev, ...message }) => ({ store: "messages", put: settled(message) }));
    await this.#records.commit([{ store: "threads", put: { ...fork, leaf } }, ...puts]);
    return fork;
  }

  // The id of a message that is named by its id, or by its text as the last one that says so.
  async named(threadId, name) {
    const messages = await this.#records.messagesOf(threadId);
    if (messages.some(({ id }) => id === name)) return name;
    const saying = messages.filter((message) => textOf(message) === name);
    return saying.sort((one, other) => other.createdAt - one.createdAt)[0]?.id ?? name;
  }

  // Now, but after everything else in the thread, whatever the clock says: the times are the order of siblings.
  async #nextMoment(threadId) {
    const messages = await this.#records.messagesOf(threadId);
    return messages.reduce((latest, { createdAt }) => Math.max(latest, createdAt + 1), this.#now());
  }

  async #find(id) {
    return this.#records.messages.peek().get(id) ?? this.#records.get("messages", id);
  }

  #shown(threadId, { id: leaf, role, parts }) {
    const edit = (thread) => {
      if (!thread) return undefined;
      const title = thread.title || (role === "user" ? titleOf(parts) : "");
      return { ...thread, title, leaf, updatedAt: this.#now() };
    };
    return { store: "threads", id: threadId, edit };
  }
}

// A copy of a message that is still being written elsewhere is not.
function settled(message) {
  return withMarks(message.active ? { ...message, status: "interrupted", stream: null } : message);
}
