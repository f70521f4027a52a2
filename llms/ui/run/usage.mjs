// Tokens: what an upstream's usage says in its several spellings, sums, and an estimate where nothing is said.

const LETTERS_A_TOKEN = 4;

// {input, output, cached, reasoning, total} of OpenAI's usage or Anthropic's; null where there is none.
export function figuresOf(usage) {
  if (typeof usage !== "object" || usage === null) return null;
  const input = count(usage.prompt_tokens ?? usage.input_tokens);
  const output = count(usage.completion_tokens ?? usage.output_tokens);
  const asked = usage.prompt_tokens_details ?? usage.input_tokens_details;
  const answered = usage.completion_tokens_details ?? usage.output_tokens_details;
  return {
    input,
    output,
    cached: count(asked?.cached_tokens ?? usage.cache_read_input_tokens),
    reasoning: count(answered?.reasoning_tokens),
    total: count(usage.total_tokens) || input + output,
  };
}

// The usage of two requests together, in OpenAI's words; null of null.
export function addUsage(one, other) {
  const [first, second] = [figuresOf(one), figuresOf(other)];
  if (!first || !second) return one ?? other ?? null;
  return {
    prompt_tokens: first.input + second.input,
    completion_tokens: first.output + second.output,
    total_tokens: first.total + second.total,
    prompt_tokens_details: { cached_tokens: first.cached + second.cached },
    completion_tokens_details: { reasoning_tokens: first.reasoning + second.reasoning },
  };
}

export function estimateTokens(text) {
  return tokensOf(text.length);
}

// Tokens of so many letters, roughly.
export function tokensOf(letters) {
  return Math.ceil(letters / LETTERS_A_TOKEN);
}

// Tokens and dollars of many messages: {input, output, total, cost}; cost is null where no price was known.
export function totalsOf(messages) {
  const totals = { input: 0, output: 0, total: 0, cost: null };
  for (const { usage, cost } of messages) {
    const figures = figuresOf(usage);
    totals.input += figures?.input ?? 0;
    totals.output += figures?.output ?? 0;
    totals.total += figures?.total ?? 0;
    if (typeof cost === "number") totals.cost = (totals.cost ?? 0) + cost;
  }
  return totals;
}

// How full the context is: {tokens, share: 0 to 1 or null, isEstimate}. path: the visible messages; draft: what is typed.
// What the last answer counted is taken over; all after it is estimated.
export function contextOf({ path, draft = "", contextWindow = null }) {
  const at = path.findLastIndex((message) => message.context || figuresOf(message.usage));
  const known = at < 0 ? 0 : (path[at].context ?? figuresOf(path[at].usage).total);
  const text = path.slice(at + 1).map(wordsOf).join("\n") + draft;
  const tokens = known + estimateTokens(text);
  return { tokens, share: contextWindow ? Math.min(1, tokens / contextWindow) : null, isEstimate: text.length > 0 };
}

function wordsOf({ parts }) {
  return parts.map((part) => (part.type === "reasoning" ? "" : (part.text ?? part.arguments ?? ""))).join("\n");
}

function count(value) {
  return Number.isFinite(value) && value > 0 ? value : 0;
}
