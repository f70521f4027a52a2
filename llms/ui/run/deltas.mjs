// What the deltas of an answer say, and tool calls as a message keeps them.

// Tool calls as the chunk that would bring all of them.
export function chunkOf(calls) {
  const fragments = calls.map(({ id, name, arguments: text }, index) => ({ index, id, function: { name, arguments: text } }));
  return { choices: [{ index: 0, delta: { tool_calls: fragments } }] };
}

export function callsOf({ tool_calls: calls = [] }) {
  return calls.map((call, index) => ({ id: call.id ?? `call_${index}`, name: call.function.name, arguments: call.function.arguments }));
}

// The text of a content, which some upstreams send as a list of parts.
export function textIn(content) {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part) => (typeof part?.text === "string" ? part.text : "")).join("");
}
