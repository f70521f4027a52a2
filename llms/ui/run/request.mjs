// From the visible messages of a thread to the body of a chat request.

import { dataUrl, base64 } from "../store/blobs.mjs";
import { fenced } from "../store/exporting.mjs";

const CONTINUE =
  "Continue your last answer exactly where it stops, even in the middle of a word. Write only what follows: no repetition, no introduction.";
const FORMATS = { "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3" };

// path: messages from the root down, the last one being what is to be answered. readBlob(id) resolves with
// {type, bytes} or undefined. Only valid parameters may be given.
export async function chatRequest({ path, model, systemPrompt = "", params = {}, stream = true, readBlob }) {
  const messages = systemPrompt.trim() ? [{ role: "system", content: systemPrompt }] : [];
  for (const message of path) messages.push(...(await wireMessages(message, readBlob)));
  return { model, messages, ...params, stream };
}

// The same when the last message is an answer to be continued. A model that continues text gets just that; any other one
// is told to go on.
export async function continuation({ continuesText = false, ...given }) {
  const request = await chatRequest(given);
  if (!continuesText) request.messages.push({ role: "user", content: CONTINUE });
  return request;
}

async function wireMessages(message, readBlob) {
  if (message.role === "assistant") return answerMessages(message.parts);
  const content = await contentOf(message.parts, readBlob);
  return content.length ? [{ role: message.role, content }] : [];
}

// An answer may call tools and go on after their results: a message for each stretch. Thoughts are not sent back, nor
// calls without a result, which no upstream takes.
function answerMessages(parts) {
  const results = new Map(parts.filter((part) => part.type === "tool_result").map((part) => [part.id, part.text]));
  const messages = [];
  let [text, calls] = ["", []];
  const flush = () => {
    if (text || calls.length) messages.push({ role: "assistant", content: text || null, ...(calls.length && { tool_calls: calls.map(wireCall) }) });
    for (const { id } of calls) messages.push({ role: "tool", tool_call_id: id, content: results.get(id) });
    [text, calls] = ["", []];
  };
  for (const part of parts) {
    if (part.type === "tool_call" && results.has(part.id)) calls.push(part);
    if (part.type !== "text") continue;
    if (calls.length) flush();
    text += part.text;
  }
  flush();
  return messages;
}

function wireCall({ id, name, arguments: text }) {
  return { id, type: "function", function: { name, arguments: text } };
}

// A text where there is nothing else, so that upstreams which know only text understand it; else a list of parts.
async function contentOf(parts, readBlob) {
  const content = (await Promise.all(parts.map((part) => wirePart(part, readBlob)))).filter(Boolean);
  return content.every(({ type }) => type === "text") ? content.map(({ text }) => text).join("\n\n") : content;
}

async function wirePart(part, readBlob) {
  if (part.type === "text") return part.text ? part : null;
  const record = part.blob ? await readBlob(part.blob) : undefined;
  if (part.type === "image") return record ? { type: "image_url", image_url: { url: dataUrl(record) } } : lost(part);
  if (part.type === "audio") return record ? { type: "input_audio", input_audio: { data: base64(record.bytes), format: formatOf(record) } } : lost(part);
  if (part.type !== "file") return null;
  const text = part.text ?? (record && new TextDecoder().decode(record.bytes));
  return text === undefined ? lost(part) : { type: "text", text: fenced(text, part.name ?? "file") };
}

function lost({ type, name }) {
  return { type: "text", text: `[${name ?? type}: no longer there]` };
}

function formatOf({ type }) {
  return FORMATS[type] ?? type.split("/")[1];
}
