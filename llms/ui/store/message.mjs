// One message: how it begins, what its parts say, what it becomes when its text changes.
//
// Parts: {type: "text", text} · {type: "reasoning", text, duration: ms} · {type: "tool_call", id, name, arguments}
//        {type: "tool_result", id, text} · {type: "image" | "audio", blob, mime, name, width, height}
//        {type: "file", name, mime, size, text} or with blob instead of text. `blob` is the id of a blob.
// Status: queued, loading, thinking, tool, writing while it is written; then done, canceled, error or interrupted.

const WRITING = new Set(["queued", "loading", "thinking", "tool", "writing"]);
const LONGEST_TITLE = 60;

// A record of the messages store. parts may be a text.
export function newMessage({ id, threadId, parentId = null, role, parts = [], model = null, status = "done", createdAt, ...rest }) {
  const fields = { id, threadId, parentId, role, parts: partsOf(parts), model, usage: null, timing: null, cost: null, status, error: null, createdAt };
  return withMarks({ ...fields, ...rest });
}

// The record with the fields by which the database finds it.
export function withMarks(message) {
  const { active: _, blobs: __, ...fields } = message;
  const blobs = blobsOf(message.parts);
  return { ...fields, ...(isBeingWritten(message) && { active: 1 }), ...(blobs.length && { blobs }) };
}

export function isBeingWritten({ status }) {
  return WRITING.has(status);
}

export function partsOf(content) {
  if (typeof content !== "string") return content;
  return content ? [{ type: "text", text: content }] : [];
}

export function textOf({ parts }) {
  return parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("");
}

export function reasoningOf({ parts }) {
  return parts.flatMap((part) => (part.type === "reasoning" ? [part.text] : [])).join("\n\n");
}

// Parts with another text; all that is no text stays where it is.
export function withText(parts, text) {
  const first = parts.findIndex((part) => part.type === "text");
  const others = parts.filter((part) => part.type !== "text");
  const at = first < 0 ? others.length : parts.slice(0, first).filter((part) => part.type !== "text").length;
  return [...others.slice(0, at), ...partsOf(text), ...others.slice(at)];
}

export function blobsOf(parts) {
  return [...new Set(parts.flatMap((part) => (part.blob ? [part.blob] : [])))];
}

// A title of what somebody wrote first: its first line, or the name of what was attached.
export function titleOf(parts) {
  const text = textOf({ parts });
  const line = text.split("\n").map((each) => each.replace(/^[#>\s*-]+/, "").trim()).find(Boolean) ?? "";
  if (line.length > LONGEST_TITLE) return `${line.slice(0, LONGEST_TITLE).replace(/\s+\S*$/, "")}…`;
  return line || (parts.find((part) => part.name)?.name ?? "");
}
