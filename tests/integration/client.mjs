// The official OpenAI client for JavaScript against a running server: node client.mjs BASE_URL MODEL SMALL_URL SMALL_MODEL
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.XOE_TEST_NODE_PATH + "/");
const { OpenAI, BadRequestError, NotFoundError } = require("openai");
const [, , url, model, smallUrl, smallModel] = process.argv;
const client = new OpenAI({ baseURL: url + "/v1", apiKey: "none", maxRetries: 0 });
const small = new OpenAI({ baseURL: smallUrl + "/v1", apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "Tell me about the sea." }];
const done = [];
const check = async (name, fn) => { await fn(); done.push(name); };

await check("chat", async () => {
  const r = await client.chat.completions.create({ model, messages, max_tokens: 20, logit_bias: { 2: -100 } });
  assert.ok(r.choices[0].message.content.length > 10);
  assert.equal(r.usage.completion_tokens, 20);
});
await check("stream", async () => {
  let text = "", usage;
  const stream = await client.chat.completions.create({ model, messages, max_tokens: 20, logit_bias: { 2: -100 }, stream: true, stream_options: { include_usage: true } });
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.ok(text.length > 10);
  assert.equal(usage.completion_tokens, 20);
});
await check("seed and stop", async () => {
  const ask = () => client.chat.completions.create({ model, messages, max_tokens: 40, seed: 9, stop: ["."] });
  const [a, b] = [await ask(), await ask()];
  assert.equal(a.choices[0].message.content, b.choices[0].message.content);
  assert.ok(!a.choices[0].message.content.includes("."));
});
await check("logprobs and n", async () => {
  const r = await client.chat.completions.create({ model, messages, max_tokens: 5, n: 2, logprobs: true, top_logprobs: 2 });
  assert.equal(r.choices.length, 2);
  assert.equal(r.choices[0].logprobs.content[0].top_logprobs.length, 2);
});
await check("json_schema", async () => {
  const schema = { type: "object", properties: { answer: { type: "integer" } }, required: ["answer"], additionalProperties: false };
  const r = await small.chat.completions.create({ model: smallModel, messages: [{ role: "user", content: "What is 2+3? As JSON." }], max_tokens: 60,
    response_format: { type: "json_schema", json_schema: { name: "a", schema, strict: true } } });
  assert.ok(Number.isInteger(JSON.parse(r.choices[0].message.content).answer));
});
await check("tool call", async () => {
  const tools = [{ type: "function", function: { name: "add", description: "Add two numbers", parameters: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } }, required: ["a", "b"] } } }];
  const r = await small.chat.completions.create({ model: smallModel, messages: [{ role: "user", content: "Add 2 and 3." }], tools, tool_choice: "required", max_tokens: 100 });
  assert.equal(r.choices[0].message.tool_calls[0].function.name, "add");
  JSON.parse(r.choices[0].message.tool_calls[0].function.arguments);
});
await check("embeddings", async () => {
  const r = await client.embeddings.create({ model: "all-minilm-l6-v2", input: ["one", "two"] });
  assert.equal(r.data.length, 2);
  assert.ok(Math.abs(r.data[0].embedding.reduce((s, x) => s + x * x, 0) - 1) < 1e-3);
});
await check("errors", async () => {
  await assert.rejects(client.chat.completions.create({ model: "nonesuch", messages }), NotFoundError);
  await assert.rejects(client.chat.completions.create({ model, messages, top_p: 7 }), BadRequestError);
});
await check("eight at once", async () => {
  const all = await Promise.all([...Array(8).keys()].map((i) => client.chat.completions.create({ model, messages: [{ role: "user", content: `Say ${i}.` }], max_tokens: 10 })));
  assert.equal(all.filter((r) => r.choices[0].message.content).length, 8);
});
await check("abort frees the slot", async () => {
  const stream = await client.chat.completions.create({ model, messages, max_tokens: 2000, stream: true });
  for await (const chunk of stream) { if (chunk.choices[0]?.delta?.content) break; }
  stream.controller.abort();
  const busy = async () => Number(/^llamacpp:requests_processing (\d+)/m.exec(await (await fetch(url + "/metrics")).text())[1]);
  const end = Date.now() + 2000;
  while (await busy()) assert.ok(Date.now() < end, "the slot is still taken 2 s after the client left");
});
console.log(done.join(", "));
