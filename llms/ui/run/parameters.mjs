// The parameters of a request that a person may set, each with its bounds. What is not set is not sent: the model's own
// default counts.

const LONGEST_STOP = 4;

// kind: number, integer, choice or texts. step is for controls.
export const PARAMETERS = [
  { name: "temperature", kind: "number", min: 0, max: 2, step: 0.05 },
  { name: "top_p", kind: "number", min: 0, max: 1, step: 0.01 },
  { name: "max_tokens", kind: "integer", min: 1, max: 1_000_000, step: 1 },
  { name: "reasoning_effort", kind: "choice", values: ["none", "minimal", "low", "medium", "high", "xhigh"] },
  { name: "seed", kind: "integer", min: 0, max: 2_147_483_647, step: 1 },
  { name: "stop", kind: "texts", most: LONGEST_STOP },
  { name: "frequency_penalty", kind: "number", min: -2, max: 2, step: 0.05 },
  { name: "presence_penalty", kind: "number", min: -2, max: 2, step: 0.05 },
  { name: "top_k", kind: "integer", min: 0, max: 1000, step: 1 },
  { name: "min_p", kind: "number", min: 0, max: 1, step: 0.01 },
  { name: "repeat_penalty", kind: "number", min: 0, max: 2, step: 0.05 },
];

const BY_NAME = new Map(PARAMETERS.map((parameter) => [parameter.name, parameter]));

const FITS = {
  number: (value, { min, max }) => typeof value === "number" && value >= min && value <= max,
  integer: (value, { min, max }) => Number.isInteger(value) && value >= min && value <= max,
  choice: (value, { values }) => values.includes(value),
  texts: (value, { most }) => Array.isArray(value) && value.length > 0 && value.length <= most && value.every(isText),
};

// Tells whether a value may be sent under a name.
export function isValidParameter(name, value) {
  const parameter = BY_NAME.get(name);
  return parameter !== undefined && FITS[parameter.kind](value, parameter);
}

// The valid ones among what is given, which may be anything.
export function validParameters(given) {
  if (typeof given !== "object" || given === null) return {};
  return Object.fromEntries(Object.entries(given).filter(([name, value]) => isValidParameter(name, value)));
}

function isText(value) {
  return typeof value === "string" && value.length > 0;
}
