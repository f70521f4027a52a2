// One entry of /v1/models, in whichever spelling its upstream has, as the page uses it:
//
//   {id, name, provider, label, state, problem, capabilities: Set, contextWindow, price, quantization, sizeBytes, parameters,
//    isChat, seesImages, hearsAudio, continuesText}
//
// null where it is not told. price is {input, output, cachedInput} in US dollars for a million tokens.

const MILLION = 1_000_000;
const WINDOWS = ["context_window", "context_length", "max_model_len", "max_context_length", "max_input_tokens", "inputTokenLimit", "n_ctx", "n_ctx_train"];
const PRICES = [
  [["prompt", "completion", "input_cache_read"], MILLION],
  [["input", "output", "cached_input"], 1],
];
// Names of models that don't answer chats, where a list does not say what its models are for.
const OTHER = /embed|rerank|whisper|transcri|moderation|dall-e|imagen|sora|veo|(?<![a-z])(tts|image|audio|realtime|bge|e5)(?![a-z])|davinci|babbage/i;

export function modelOf(entry) {
  const capabilities = capabilitiesOf(entry);
  const provider = textOr(entry.provider, null);
  const isTold = entry.capabilities !== undefined && entry.capabilities !== null;
  return {
    id: entry.id,
    name: provider && entry.id.startsWith(`${provider}/`) ? entry.id.slice(provider.length + 1) : entry.id,
    provider,
    label: textOr(entry.label, null),
    state: textOr(entry.state, null),
    problem: textOr(entry.problem, null),
    capabilities,
    contextWindow: windowOf(entry),
    price: priceOf(entry.pricing ?? entry.price),
    quantization: textOr(entry.quantization, null),
    sizeBytes: amount(entry.size_bytes),
    parameters: amount(entry.parameters),
    isChat: isTold && Array.isArray(entry.capabilities) ? isChatBy(capabilities, entry.id) : !OTHER.test(entry.id),
    seesImages: capabilities.has("vision") || capabilities.has("image"),
    hearsAudio: capabilities.has("audio"),
    continuesText: capabilities.has("prefill"),
  };
}

function isChatBy(capabilities, id) {
  if (capabilities.has("chat") || capabilities.has("completion")) return true;
  return capabilities.size > 0 && !capabilities.has("embeddings") && !capabilities.has("embedding") && !OTHER.test(id);
}

// A list of words, an object of booleans, or the kinds of input: what is said anywhere counts.
function capabilitiesOf(entry) {
  const said = entry.capabilities;
  const words = Array.isArray(said) ? said : typeof said === "object" && said !== null ? Object.keys(said).filter((name) => said[name] === true) : [];
  const inputs = [entry.architecture?.input_modalities, entry.input_modalities, entry.modalities?.input ?? entry.modalities];
  const heard = inputs.filter(Array.isArray).flat().filter((kind) => kind !== "text");
  return new Set([...words, ...heard].filter((word) => typeof word === "string").map((word) => word.toLowerCase()));
}

function windowOf(entry) {
  for (const holder of [entry, entry.meta, entry.top_provider]) {
    for (const name of WINDOWS) if (Number.isInteger(holder?.[name]) && holder[name] > 0) return holder[name];
  }
  return null;
}

function priceOf(pricing) {
  for (const [[input, output, cached], factor] of PRICES) {
    const [asked, answered] = [amount(pricing?.[input]), amount(pricing?.[output])];
    if (asked === null || answered === null) continue;
    const again = amount(pricing[cached]);
    return { input: asked * factor, output: answered * factor, cachedInput: again === null ? null : again * factor };
  }
  return null;
}

// A number of 0 or more, also where a list writes it as text.
function amount(value) {
  if (value === null || value === undefined || value === "" || typeof value === "boolean") return null;
  const number = Number(value);
  return Number.isFinite(number) && number >= 0 ? number : null;
}

function textOr(value, otherwise) {
  return typeof value === "string" && value ? value : otherwise;
}
