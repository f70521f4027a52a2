// Threads as files: JSON that can be imported again (everything, with branches, attachments, folders and presets), and
// Markdown of one thread as it is read. Both hold all they need.

import { base64, dataUrl } from "./blobs.mjs";
import { blobsOf } from "./message.mjs";
import { inOrder } from "./order.mjs";
import { Tree } from "./tree.mjs";

export const FORMAT = "llms-threads";
export const FORMAT_VERSION = 1;

const INTERNAL = new Set(["rev", "active", "blobs"]);
const LABELS = { user: "You", assistant: "Assistant", system: "System prompt", tool: "Tool", reasoning: "Thoughts", untitled: "Untitled" };

// A Blob of JSON with some threads, or with all of them without ids. It is built in pieces: it may be large.
export async function exportJson({ records, ids = null, now = Date.now() }) {
  const all = inOrder(records.threads.peek().values());
  const threads = ids === null ? all : all.filter(({ id }) => ids.includes(id));
  const used = new Set(threads.map(({ folder }) => folder));
  const folders = [...records.folders.peek().values()].filter(({ id }) => ids === null || used.has(id));
  const presets = ids === null ? [...records.presets.peek().values()] : [];
  const head = { format: FORMAT, version: FORMAT_VERSION, exportedAt: new Date(now).toISOString(), folders, presets };
  const pieces = [JSON.stringify(head, outward, 1).replace(/\n\}$/, ',\n "threads": [')];
  const blobs = new Set();
  for (const [index, thread] of threads.entries()) {
    const messages = await records.messagesOf(thread.id);
    for (const message of messages) for (const id of blobsOf(message.parts)) blobs.add(id);
    pieces.push(index ? ",\n" : "\n", JSON.stringify({ ...thread, messages }, outward));
  }
  pieces.push('\n ],\n "blobs": [', ...(await blobPieces(records, blobs)), "\n ]\n}\n");
  return new Blob(pieces, { type: "application/json" });
}

// Markdown of the visible path of a thread. labels: the names of the roles in the reader's language.
export async function exportMarkdown({ records, threadId, labels = {}, reasoning = false }) {
  const thread = records.threads.peek().get(threadId);
  const path = new Tree(await records.messagesOf(threadId)).path(thread.leaf);
  const names = { ...LABELS, ...labels };
  const sections = [`# ${thread.title || names.untitled}`];
  if (thread.systemPrompt) sections.push(`> **${names.system}:** ${thread.systemPrompt.replaceAll("\n", "\n> ")}`);
  for (const message of path) {
    const who = message.role === "assistant" && message.model ? `${names.assistant} (${message.model})` : names[message.role];
    sections.push(`## ${who}`, ...(await partsAsMarkdown(message.parts, { records, reasoning, names })));
  }
  return `${sections.join("\n\n")}\n`;
}

// A name for the file of a thread, or of several without one.
export function fileName(thread, extension, now = Date.now()) {
  const words = (thread?.title ?? "").normalize("NFC").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").toLowerCase();
  return `${words.slice(0, 60) || "llms-threads"}-${new Date(now).toISOString().slice(0, 10)}.${extension}`;
}

async function blobPieces(records, ids) {
  const pieces = [];
  for (const id of ids) {
    const record = await records.get("blobs", id);
    if (!record) continue;
    pieces.push(pieces.length ? ",\n" : "\n", JSON.stringify({ id, type: record.type, base64: base64(record.bytes) }));
  }
  return pieces;
}

async function partsAsMarkdown(parts, context) {
  const texts = [];
  for (const part of parts) texts.push(await partAsMarkdown(part, context));
  return texts.filter(Boolean);
}

async function partAsMarkdown(part, { records, reasoning, names }) {
  if (part.type === "text") return part.text;
  if (part.type === "reasoning") return reasoning ? `> **${names.reasoning}:** ${part.text.replaceAll("\n", "\n> ")}` : "";
  if (part.type === "tool_call") return fenced(part.arguments, `**${part.name}**`, "json");
  if (part.type === "tool_result") return fenced(part.text, `**${names.tool}**`);
  if (part.type === "file" && typeof part.text === "string") return fenced(part.text, `**${part.name}**`);
  const record = part.blob ? await records.get("blobs", part.blob) : undefined;
  if (!record) return `*${part.name ?? part.type}*`;
  return `${part.type === "image" ? "!" : ""}[${part.name ?? part.type}](${dataUrl(record)})`;
}

// Text between fences longer than any inside it.
export function fenced(text, heading, language = "") {
  const longest = Math.max(2, ...Array.from(text.matchAll(/`+/g), ([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${heading}\n\n${fence}${language}\n${text.replace(/\n$/, "")}\n${fence}`;
}

function outward(name, value) {
  return INTERNAL.has(name) ? undefined : value;
}
