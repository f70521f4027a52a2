// Threads out of files: our own export, and the conversations.json of ChatGPT. Nothing that is here is overwritten: a thread
// that is here already is left out when it is the same, and added as another one when it is not.

import { validParameters } from "../settings.mjs";
import { fromBase64 } from "./blobs.mjs";
import { isChatGpt, threadsOfChatGpt } from "./chatgpt.mjs";
import { FORMAT, FORMAT_VERSION } from "./exporting.mjs";
import { newMessage } from "./message.mjs";
import { sha256 } from "./sha256.mjs";
import { newThread } from "./threads.mjs";
import { sound } from "./tree.mjs";

const ROLES = ["user", "assistant", "system", "tool"];
const STATUSES = ["done", "canceled", "error", "interrupted"];
const TEXTS = { text: ["text"], reasoning: ["text"], tool_call: ["id", "name", "arguments"], tool_result: ["text"] };
const ATTACHMENTS = ["image", "audio", "file"];
const AT_ONCE = 20; // threads in one change

export class ImportError extends Error {
  name = "ImportError";

  // code: not_json, unknown_format, newer_version or empty, for whoever says it in another language.
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// Reads a file's text into {threads: [{thread, messages}], folders, presets, blobs}. Throws an ImportError.
export function readImport(text) {
  const value = parsed(text);
  const found = isChatGpt(value) ? { threads: threadsOfChatGpt(value), folders: [], presets: [], blobs: [] } : ownFormat(value);
  const threads = found.threads.filter(({ messages }) => messages.length);
  if (!threads.length && !found.presets.length) throw new ImportError("empty", "There are no threads in this file.");
  return { ...found, threads };
}

// Adds what was read; resolves with {added, skipped} threads. onProgress(done, all).
export async function bring(records, { threads, folders, presets, blobs }, { newId, now, onProgress = () => {} }) {
  await records.commit([...presets.map((record) => absent("presets", record)), ...folders.map((record) => absent("folders", record))]);
  for (const blob of blobs) await keep(records, blob, now);
  const fresh = unseen(threads, records);
  for (let at = 0; at < fresh.length; at += AT_ONCE) {
    await records.commit(fresh.slice(at, at + AT_ONCE).flatMap((each) => placed(each, records, { newId, now })));
    onProgress(Math.min(at + AT_ONCE, fresh.length), fresh.length);
  }
  return { added: fresh.length, skipped: threads.length - fresh.length };
}

// Those that are not here in just this state, each once.
function unseen(threads, records) {
  const seen = new Set();
  return threads.filter(({ thread: { id, updatedAt } }) => {
    if (id === null) return true;
    const known = records.threads.peek().get(id);
    const isKnown = seen.has(id) || (known && (updatedAt === null || known.updatedAt === updatedAt));
    seen.add(id);
    return !isKnown;
  });
}

function parsed(text) {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (cause) {
    throw new ImportError("not_json", `This file is not JSON: ${cause.message}`);
  }
}

function ownFormat(value) {
  if (value?.format !== FORMAT) {
    throw new ImportError("unknown_format", "This is neither an export of this page nor the conversations.json of a ChatGPT export.");
  }
  if (value.version > FORMAT_VERSION) throw new ImportError("newer_version", "This file was exported by a newer version.");
  return {
    threads: objects(value.threads).map((thread) => ({ thread: threadFields(thread), messages: objects(thread.messages) })),
    folders: objects(value.folders).filter(isNamed).map(({ id, name, createdAt }) => ({ id, name, createdAt: time(createdAt) ?? 0 })),
    presets: objects(value.presets).filter(isNamed).map(presetFields),
    blobs: objects(value.blobs).filter(({ id, base64 }) => typeof id === "string" && typeof base64 === "string"),
  };
}

function threadFields(given) {
  return {
    id: text(given.id),
    title: text(given.title) ?? "",
    pinned: given.pinned === true,
    archived: given.archived === true,
    folder: text(given.folder),
    model: text(given.model),
    params: validParameters(given.params),
    systemPrompt: text(given.systemPrompt),
    stream: typeof given.stream === "boolean" ? given.stream : null,
    leaf: text(given.leaf),
    createdAt: time(given.createdAt),
    updatedAt: time(given.updatedAt),
  };
}

function presetFields({ id, name, systemPrompt, model, params, createdAt }) {
  return { id, name, systemPrompt: text(systemPrompt), model: text(model), params: validParameters(params), createdAt: time(createdAt) ?? 0 };
}

// The changes that put one thread in place. Its messages get ids of their own: exports may share them between threads.
function placed({ thread, messages }, records, { newId, now }) {
  const isHere = thread.id === null || records.threads.peek().has(thread.id);
  const threadId = isHere ? newId() : thread.id;
  const created = thread.createdAt ?? now();
  const given = messages.map((message, index) => messageFields(message, { threadId, createdAt: created + index, newId }));
  const checked = sound(given.filter(Boolean));
  const ids = new Map(checked.map(({ id }) => [id, newId()]));
  const puts = checked.map((message) => ({
    store: "messages",
    put: { ...message, id: ids.get(message.id), parentId: ids.get(message.parentId) ?? null },
  }));
  const fields = { ...thread, id: threadId, leaf: ids.get(thread.leaf) ?? null, createdAt: created, updatedAt: thread.updatedAt ?? created };
  return [{ store: "threads", put: newThread({ ...fields, now: created }) }, ...puts];
}

function messageFields(given, { threadId, createdAt, newId }) {
  if (!ROLES.includes(given.role) || !Array.isArray(given.parts)) return null;
  return newMessage({
    id: text(given.id) ?? newId(),
    threadId,
    parentId: text(given.parentId),
    role: given.role,
    parts: objects(given.parts).map(part).filter(Boolean),
    model: text(given.model),
    createdAt: time(given.createdAt) ?? createdAt,
    status: STATUSES.includes(given.status) ? given.status : "done",
    usage: object(given.usage),
    timing: object(given.timing),
    cost: typeof given.cost === "number" ? given.cost : null,
    error: object(given.error),
  });
}

function part(given) {
  const texts = TEXTS[given.type] ?? (ATTACHMENTS.includes(given.type) ? ["blob" in given ? "blob" : "text"] : null);
  if (!texts?.every((name) => typeof given[name] === "string")) return null;
  return Object.fromEntries(Object.entries(given).filter(([, value]) => typeof value !== "object"));
}

// Bytes that are not what their name says are left out.
async function keep(records, { id, type, base64 }, now) {
  let bytes;
  try {
    bytes = fromBase64(base64);
  } catch {
    return;
  }
  if ((await sha256(bytes)) !== id) return;
  const record = { id, type: text(type) ?? "application/octet-stream", size: bytes.byteLength, bytes, createdAt: now() };
  await records.commit([absent("blobs", record)]);
}

const absent = (store, record) => ({ store, id: record.id, edit: (known) => known ?? record });
const objects = (value) => (Array.isArray(value) ? value.filter((each) => object(each) !== null) : []);
const object = (value) => (typeof value === "object" && value !== null && !Array.isArray(value) ? value : null);
const isNamed = ({ id, name }) => typeof id === "string" && typeof name === "string";
const text = (value) => (typeof value === "string" ? value : null);
const time = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);
