// Threads and messages, as components use them: signals to read, functions to change. All of it lies in IndexedDB and is
// the same in every tab. The parts are in store/; what is rarely needed is loaded when it is first asked for.
//
//   const { path, updateMessageContent } = useThreadStore();
//
// Deletions are done at once and can be taken back for eight seconds: see `undo`.

import { computed, signal } from "./view.mjs";
import { openDatabase } from "./store/database.mjs";
import { Drafts } from "./store/drafts.mjs";
import { Live } from "./store/live.mjs";
import { byName, inOrder } from "./store/order.mjs";
import { Records } from "./store/records.mjs";
import { Tree } from "./store/tree.mjs";
import { Channel, writersOf } from "./store/tabs.mjs";

let ours = null;

// The one store of this page. The first call makes it begin to load; `ready` resolves when it has.
export function useThreadStore() {
  ours ??= new ThreadStore();
  return ours;
}

export class ThreadStore {
  #records;
  #world;
  #loading = null;
  #search = null;

  // All optional. database: of openDatabase, or a promise of it; channel, writers: see store/tabs.mjs.
  constructor({ database, channel = new Channel(), timers = globalThis, writers = writersOf({ channel, timers }), now = Date.now } = {}) {
    this.#records = new Records({ database: database ?? openDatabase().catch(inMemory), channel });
    this.#world = { records: this.#records, now, timers, pending: this.undos };
    this.channel = channel;
    this.live = new Live({ records: this.#records, writers });
    this.drafts = new Drafts(this.#world);
    this.messages = this.#records.messages; // Map by id, of the open thread
    this.currentId = this.#records.openId;
    this.problem = this.#records.problem; // {code: "quota" or "storage", message} where the last write failed, else null
    this.isPersistent = this.#records.isPersistent; // false: this browser keeps nothing
    this.ready = this.#load();
  }

  // ---- signals, beside messages, currentId, problem and isPersistent above, and live.messages (what is being written, in
  // any tab: a Map of message id -> thread id)

  isLoaded = signal(false);
  threads = computed(() => inOrder(this.#records.threads.value.values())); // pinned first, then newest first
  folders = computed(() => byName(this.#records.folders.value.values()));
  presets = computed(() => byName(this.#records.presets.value.values()));
  current = computed(() => this.#records.threads.value.get(this.currentId.value) ?? null);
  tree = computed(() => new Tree(this.messages.value.values()));
  path = computed(() => this.tree.value.path(this.current.value?.leaf)); // the visible messages
  undos = signal([]); // [{id, what: "threads", "messages", "folder" or "preset", count, until}]
  searchProgress = signal(0); // from 0 to 1

  getThread = (threadId) => this.#records.threads.peek().get(threadId) ?? null;

  getMessages = (threadId) => this.#records.messagesOf(threadId);

  // The messages of the open thread that could stand in the place of one, itself among them.
  siblingsOf = (messageId) => this.tree.value.siblings(messageId);

  // ---- threads

  // Shows a thread, or for null the empty page. Resolves when its messages are there.
  openThread = (threadId) => this.#records.open(threadId);

  // fields: see newThread in store/threads.mjs. Resolves with the thread.
  createThread = async (fields) => (await this.#commands()).threads.create(fields);

  // Changes fields of one thread or several: title, pinned, folder, archived, model, params, systemPrompt, stream.
  updateThread = async (threadIds, fields) => (await this.#commands()).threads.update(threadIds, fields);

  // Deletes one thread or several.
  deleteThreads = async (threadIds) => {
    const { threads, undo } = await this.#commands();
    const ids = [threadIds].flat();
    if (ids.includes(this.currentId.peek())) await this.openThread(null);
    const results = await threads.remove(ids);
    undo.offer("threads", results, results.filter(({ store }) => store === "threads").length);
  };

  // A thread of its own that begins with the path down to a message; {branches: true} for all of the tree.
  forkThread = async (threadId, messageId, options) => (await this.#commands()).messages.fork(threadId, messageId, options);

  // ---- messages

  // Adds {role, parts or text, model, parentId, …}, by default below the visible path. Resolves with the message.
  addMessage = async (threadId, fields) => (await this.addMessages(threadId, [fields]))[0] ?? null;

  // Adds siblings at once; the first one becomes visible. Resolves with the messages.
  addMessages = async (threadId, list) => (await this.#commands()).messages.add(threadId, list);

  // Deletes a message; what follows stays, or goes with {subtree: true}.
  deleteMessage = async (threadId, messageId, options) => {
    const { messages, undo } = await this.#commands();
    const results = await messages.remove(threadId, messageId, options);
    undo.offer("messages", results, results.filter(({ store, after }) => store === "messages" && after === null).length);
  };

  deleteMessageFromThread = this.deleteMessage;

  // Replaces the text of a message (a string) or all its parts (a list) where it stands.
  updateMessageContent = async (threadId, messageId, content) => (await this.#commands()).messages.rewrite(messageId, content);

  // Keeps the usage (OpenAI's object) with a message, which is named by its id, or by its text.
  updateMessageUsage = async (threadId, messageId, usage) => {
    const { messages } = await this.#commands();
    return messages.patch(await messages.named(threadId, messageId), { usage });
  };

  // Changes any fields of a message: an object or a function of the message. Resolves with it, null where it is gone.
  patchMessage = async (messageId, fields, options) => (await this.#commands()).messages.patch(messageId, fields, options);

  // Takes back an answer of which nothing came; the failure {error, model, at} goes to `failures` of the message above.
  withdrawMessage = async (threadId, messageId, failure) => (await this.#commands()).messages.withdraw(threadId, messageId, failure);

  // Writes a message whole and at once, for a page that may be gone in a moment ({isFinal: true}: that does not come back);
  // nobody hears whether it came to be.
  keepMessageNow = (message, options) => this.#records.commitNow([{ store: "messages", put: message }], options);

  // The same message with other content, beside it. Resolves with the new one, which becomes visible.
  editMessage = async (threadId, messageId, content) => (await this.#commands()).messages.edit(threadId, messageId, content);

  // Makes a message of another branch visible, with the newest that follows it.
  showMessage = async (threadId, messageId) => (await this.#commands()).messages.show(threadId, messageId);

  // ---- what was deleted: it comes back within eight seconds; without an id, the last

  undo = async (id) => (await this.#commands()).undo.undo(id);

  dismissUndo = async (id) => (await this.#commands()).undo.dismiss(id);

  // ---- folders and presets

  createFolder = async (name) => (await this.#commands()).folders.create(name);

  renameFolder = async (folderId, name) => (await this.#commands()).folders.rename(folderId, name);

  // Its threads stay, outside.
  deleteFolder = async (folderId) => {
    const { folders, undo } = await this.#commands();
    undo.offer("folder", await folders.remove(folderId));
  };

  // {id (to change one), name, systemPrompt, model, params}
  savePreset = async (preset) => (await this.#commands()).presets.save(preset);

  deletePreset = async (presetId) => {
    const { presets, undo } = await this.#commands();
    undo.offer("preset", await presets.remove(presetId));
  };

  applyPreset = async (threadId, presetId) => (await this.#commands()).presets.apply(threadId, presetId);

  // ---- attachments

  // Keeps a Blob or File; resolves with {blob, mime, size}, to be completed with type and name to a part of a message.
  keepFile = async (file) => (await this.#commands()).blobs.keep(file);

  // {type, size, bytes: ArrayBuffer}; undefined where it is not there.
  readBlob = async (id) => (await this.#commands()).blobs.read(id);

  // An address of a blob for this page; null where it is not there.
  blobUrl = async (id) => (await this.#commands()).blobs.url(id);

  // Deletes the attachments that nothing refers to any more. Worth calling now and then in an idle moment.
  sweepBlobs = async () => (await this.#commands()).blobs.sweep();

  // ---- search

  // Begins to index all texts in idle moments; worth calling when somebody opens the search. Resolves when it has.
  prepareSearch = async () => (await this.#searching()).build();

  // [{threadId, messageId, score, snippet: {text, marks: [[start, end]]}}], the best first; see store/search.mjs.
  search = async (query) => {
    const search = await this.#searching();
    search.build();
    return search.search(query);
  };

  // ---- files

  // {file: Blob, name} of some threads, of all without ids.
  exportThreads = async (threadIds = null) => {
    const { exportJson, fileName } = await import("./store/exporting.mjs");
    const ids = threadIds === null ? null : [threadIds].flat();
    const file = await exportJson({ records: this.#records, ids, now: this.#world.now() });
    return { file, name: fileName(ids?.length === 1 ? this.getThread(ids[0]) : null, "json", this.#world.now()) };
  };

  // {file: Blob, name} of the visible path. Options: labels, reasoning (see store/exporting.mjs).
  exportMarkdown = async (threadId, options) => {
    const { exportMarkdown, fileName } = await import("./store/exporting.mjs");
    const text = await exportMarkdown({ records: this.#records, threadId, ...options });
    return { file: new Blob([text], { type: "text/markdown" }), name: fileName(this.getThread(threadId), "md", this.#world.now()) };
  };

  // Adds the threads of a File. Resolves with {added, skipped}; throws an ImportError. onProgress(done, all).
  importThreads = async (file, onProgress) => {
    const [{ bring, readImport }, { newId }] = await Promise.all([import("./store/importing.mjs"), import("./store/ids.mjs")]);
    return bring(this.#records, readImport(await file.text()), { newId, now: this.#world.now, onProgress });
  };

  async #load() {
    await this.#records.load();
    await this.live.load();
    this.isLoaded.value = true;
  }

  // What changes things is loaded when something is first changed, or when somebody seems about to: see `prepare`.
  prepare = () => this.#commands();

  #commands() {
    this.#loading ??= import("./store/commands.mjs").then(({ Commands }) => new Commands(this.#world));
    return this.#loading;
  }

  async #searching() {
    const { ThreadSearch } = await import("./store/search.mjs");
    this.#search ??= new ThreadSearch({ records: this.#records, progress: this.searchProgress });
    return this.#search;
  }
}

async function inMemory() {
  const { MemoryDatabase } = await import("./store/memory.mjs");
  return new MemoryDatabase();
}
