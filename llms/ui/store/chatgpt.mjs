// The conversations.json of a ChatGPT export as threads: with all branches, without what ChatGPT itself hides.
//
// A conversation is a tree {mapping: {node: {message, parent}}, current_node}. Nodes without anything to read (the
// root, system messages, calls of tools and their answers) are left out; what stands below them hangs on what is above.

import { titleOf } from "./message.mjs";

const ROLES = ["user", "assistant"];

export function isChatGpt(value) {
  const first = Array.isArray(value) ? value[0] : value;
  return typeof first?.mapping === "object" && first.mapping !== null;
}

// Returns [{thread, messages}] of plain fields; ids are those of the export.
export function threadsOfChatGpt(value) {
  return [value].flat().filter((each) => typeof each?.mapping === "object" && each.mapping !== null).map(converted);
}

function converted(conversation) {
  const nodes = conversation.mapping;
  const kept = new Map();
  for (const [id, node] of Object.entries(nodes)) {
    const message = messageOf(id, node, conversation);
    if (message) kept.set(id, message);
  }
  for (const [id, message] of kept) {
    const { parentId, thoughts } = above(nodes, kept, id);
    message.parentId = parentId;
    if (message.role === "assistant" && thoughts) message.parts.unshift({ type: "reasoning", text: thoughts });
  }
  const messages = [...kept.values()];
  const leaf = kept.has(conversation.current_node) ? conversation.current_node : above(nodes, kept, conversation.current_node).parentId;
  return { thread: threadOf(conversation, messages, leaf), messages };
}

function threadOf(conversation, messages, leaf) {
  const first = messages.find(({ role }) => role === "user");
  const createdAt = milliseconds(conversation.create_time) ?? messages[0]?.createdAt ?? null;
  return {
    id: textOr(conversation.conversation_id ?? conversation.id, null),
    title: textOr(conversation.title, "").trim() || (first ? titleOf(first.parts) : ""),
    archived: conversation.is_archived === true,
    pinned: conversation.is_starred === true,
    leaf,
    createdAt,
    updatedAt: milliseconds(conversation.update_time) ?? createdAt,
  };
}

function messageOf(id, node, conversation) {
  const { message } = node ?? {};
  const role = message?.author?.role;
  if (!ROLES.includes(role) || message.metadata?.is_visually_hidden_from_conversation) return null;
  if (role === "assistant" && (message.recipient ?? "all") !== "all") return null;
  const parts = partsOf(message.content);
  if (!parts.length) return null;
  const createdAt = milliseconds(message.create_time) ?? milliseconds(conversation.create_time);
  const model = role === "assistant" ? textOr(message.metadata?.model_slug ?? conversation.default_model_slug, null) : null;
  return { id, parentId: null, role, parts, model, createdAt };
}

// The nearest kept message above a node, and the thoughts on the way there.
function above(nodes, kept, id) {
  const [seen, thoughts] = [new Set([id]), []];
  let at = nodes[id]?.parent;
  while (at && nodes[at] && !kept.has(at) && !seen.has(at)) {
    seen.add(at);
    thoughts.unshift(...thoughtsOf(nodes[at].message?.content));
    at = nodes[at].parent;
  }
  return { parentId: kept.has(at) ? at : null, thoughts: thoughts.join("\n\n") };
}

function partsOf(content) {
  const kind = content?.content_type;
  if (kind === "code" && content.text) return [{ type: "text", text: `\`\`\`${languageOf(content)}\n${content.text}\n\`\`\`` }];
  if (kind !== "text" && kind !== "multimodal_text") return [];
  const texts = (content.parts ?? []).map(partText).filter((text) => text.trim());
  return texts.length ? [{ type: "text", text: texts.join("\n\n") }] : [];
}

// Pictures are not in this file: only that there was one can be told.
function partText(part) {
  if (typeof part === "string") return part;
  if (typeof part?.text === "string") return part.text;
  return part?.content_type === "image_asset_pointer" ? "*[image]*" : "";
}

function thoughtsOf(content) {
  if (content?.content_type !== "thoughts" || !Array.isArray(content.thoughts)) return [];
  return content.thoughts.map((thought) => [thought?.summary, thought?.content].filter((text) => typeof text === "string" && text).join("\n"));
}

const languageOf = ({ language }) => (typeof language === "string" && language !== "unknown" ? language : "");
const milliseconds = (seconds) => (typeof seconds === "number" && seconds > 0 ? Math.round(seconds * 1000) : null);
const textOr = (value, otherwise) => (typeof value === "string" && value ? value : otherwise);
