// Chunks into the completion they amount to, one at a time.

export class Fold {
  text = ""; // of the first choice
  reasoning = ""; // of the first choice
  chunks = 0; // that had choices
  #top = {};
  #choices = new Map();
  #progress = {};

  add(chunk) {
    const { choices = [], usage, llms, ...rest } = chunk;
    if (choices?.length) this.chunks += 1;
    for (const [name, value] of Object.entries(rest)) if (value !== null && value !== "") this.#top[name] ??= value;
    if (usage) this.#top.usage = usage;
    if (llms) Object.assign(this.#progress, llms);
    for (const [position, choice] of (choices ?? []).entries()) this.#addChoice(choice, choice.index ?? position);
  }

  // True once each choice has its finish reason.
  get isFinished() {
    return this.#choices.size > 0 && [...this.#choices.values()].every((choice) => choice.finish_reason);
  }

  // The OpenAI answer so far; with `llms`, the progress object, where there was one.
  completion() {
    const choices = [...this.#choices.values()].sort((one, other) => one.index - other.index).map(copyChoice);
    const completion = { ...this.#top, object: "chat.completion", choices };
    if (Object.keys(this.#progress).length) completion.llms = { ...this.#progress };
    return completion;
  }

  #addChoice(choice, index) {
    const kept = this.#choice(index);
    const delta = choice.delta ?? choice.message ?? (typeof choice.text === "string" ? { content: choice.text } : {});
    addDelta(kept.message, delta);
    if (choice.finish_reason) kept.finish_reason = choice.finish_reason;
    if (choice.logprobs) kept.logprobs = joinLogprobs(kept.logprobs, choice.logprobs);
    if (index !== 0) return;
    const { content, reasoning_content: thoughts, reasoning } = kept.message;
    this.text = typeof content === "string" ? content : "";
    this.reasoning = thoughts ?? (typeof reasoning === "string" ? reasoning : "");
  }

  #choice(index) {
    if (!this.#choices.has(index)) {
      const message = { role: "assistant", content: null };
      this.#choices.set(index, { index, message, finish_reason: null });
    }
    return this.#choices.get(index);
  }
}

// Texts are joined, tool calls put together, lists continued; anything else is what it last was.
function addDelta(message, delta) {
  for (const [name, value] of Object.entries(delta)) {
    if (value === null || value === undefined) continue;
    if (name === "role") message.role = value;
    else if (name === "tool_calls") addCalls((message.tool_calls ??= []), value);
    else if (typeof value === "string") message[name] = (message[name] ?? "") + value;
    else if (Array.isArray(value)) message[name] = [...(message[name] ?? []), ...value];
    else message[name] = value;
  }
}

function addCalls(calls, fragments) {
  for (const [position, fragment] of fragments.entries()) {
    const call = callOf(calls, fragment, position);
    if (fragment.id) call.id = fragment.id;
    if (fragment.type) call.type = fragment.type;
    if (fragment.function?.name) call.function.name += fragment.function.name;
    call.function.arguments += fragment.function?.arguments ?? "";
  }
}

// By index; without one by id, and without both the call that is being written.
function callOf(calls, fragment, position) {
  const known = Number.isInteger(fragment.index)
    ? calls.find((call) => call.index === fragment.index)
    : fragment.id
      ? calls.find((call) => call.id === fragment.id)
      : (calls[position] ?? calls.at(-1));
  if (known) return known;
  const call = { index: fragment.index ?? calls.length, id: null, type: "function", function: { name: "", arguments: "" } };
  calls.push(call);
  return call;
}

function joinLogprobs(kept, more) {
  const content = [...(kept?.content ?? []), ...(more.content ?? [])];
  return { ...kept, ...more, content };
}

function copyChoice({ message, ...choice }) {
  const copy = { ...message };
  if (copy.tool_calls) copy.tool_calls = copy.tool_calls.map(({ index, ...call }) => ({ ...call, function: { ...call.function } }));
  return { ...choice, message: copy };
}
