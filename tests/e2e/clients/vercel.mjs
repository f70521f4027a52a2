// Vercel's AI SDK with its providers of OpenAI, of servers that are like OpenAI, and of Anthropic.
// node vercel.mjs http://127.0.0.1:8000 '{"question": …, "tools": {…}}' model…
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { jsonSchema, stepCountIs, streamText, tool } from "ai";

const [url, told, ...models] = process.argv.slice(2);
const { question, tools: described } = JSON.parse(told);
const results = {
  get_weather: ({ city, days }) => `-3 °C in ${city} for ${days} days`,
  get_time: ({ zone }) => `it is "13:45" in ${zone}`,
};
let called = [];

const tools = Object.fromEntries(
  Object.entries(described).map(([name, [description, takes]]) => {
    const execute = async (given) => {
      called.push([name, given]);
      return results[name](given);
    };
    return [name, tool({ description, inputSchema: jsonSchema(takes), execute })];
  }),
);

const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
const like = createOpenAICompatible({ name: "llms", baseURL: `${url}/v1`, apiKey: "none", includeUsage: true });
const anthropic = createAnthropic({ baseURL: `${url}/v1`, apiKey: "none" });
const sealed = { store: false, forceReasoning: true, include: ["reasoning.encrypted_content"], reasoningSummary: "auto" };
const thinking = { thinking: { type: "enabled", budgetTokens: 1024 } };

const ways = {
  chat: (model) => ({ model: openai.chat(model) }),
  responses: (model) => ({ model: openai.responses(model), providerOptions: { openai: sealed } }),
  compatible: (model) => ({ model: like(model) }),
  messages: (model) => ({ model: anthropic(model), maxOutputTokens: 3000, providerOptions: { anthropic: thinking } }),
};

async function hold(way, model) {
  const failures = [];
  const onError = ({ error }) => failures.push(error);
  const stream = streamText({ ...ways[way](model), prompt: question, tools, stopWhen: stepCountIs(5), onError });
  let thoughts = "";
  for await (const part of stream.fullStream) {
    if (part.type === "reasoning-delta") thoughts += part.text;
  }
  if (failures.length) throw failures[0];
  const steps = await stream.steps;
  const warnings = steps.flatMap((step) => step.warnings ?? []);
  if (warnings.length) throw new Error(`warnings: ${JSON.stringify(warnings)}`);
  const usage = await stream.totalUsage;
  return { text: await stream.text, usage: [usage.inputTokens, usage.outputTokens], thoughts };
}

for (const way of Object.keys(ways)) {
  for (const model of models) {
    called = [];
    let line;
    try {
      line = await hold(way, model);
    } catch (error) {
      line = { problem: `${error.stack ?? error} ${JSON.stringify(error.responseBody ?? "")}` };
    }
    console.log(JSON.stringify({ way, model, ...line, called }));
  }
}
