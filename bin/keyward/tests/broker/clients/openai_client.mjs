// Everything that programs do with OpenAI's package, set up by its two variables alone.
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ maxRetries: 0 });
const report = {};
const user = [{ role: "user", content: "good morning" }];
const tools = [{ type: "function", function: {
  name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } } }];

report.models = (await client.models.list()).data.map((model) => model.id);
report.chat = (await client.chat.completions.create({ model: "model-a", messages: user })).choices[0].message.content;

const times = [];
report.streamed = "";
for await (const chunk of await client.chat.completions.create({ model: "model-a", messages: user, stream: true })) {
  times.push(performance.now());
  report.streamed += chunk.choices[0].delta.content ?? "";
}
report.stream_seconds = (times.at(-1) - times[0]) / 1000;

const first = (await client.chat.completions.create({ model: "model-a", messages: user, tools })).choices[0].message;
const call = first.tool_calls[0];
report.tool = [call.function.name, JSON.parse(call.function.arguments)];
const more = [...user, first, { role: "tool", tool_call_id: call.id, content: "rain" }];
report.after_tool = (await client.chat.completions.create({ model: "model-a", messages: more, tools })).choices[0].message.content;
report.tool_streamed = "";
for await (const chunk of await client.chat.completions.create({ model: "model-a", messages: user, tools, stream: true })) {
  for (const part of chunk.choices[0].delta.tool_calls ?? []) report.tool_streamed += part.function.arguments ?? "";
}

report.response = (await client.responses.create({ model: "model-a", input: "hello" })).output_text;
report.response_streamed = "";
for await (const event of await client.responses.create({ model: "model-a", input: "hello", stream: true })) {
  if (event.type === "response.output_text.delta") report.response_streamed += event.delta;
}
report.embedding = (await client.embeddings.create({ model: "e", input: "x", encoding_format: "float" })).data[0].embedding;

const line = '{"line": "of a file that is uploaded"}\n';
const uploaded = await client.files.create({ file: await toFile(Buffer.from(line.repeat(50_000)), "a.jsonl"), purpose: "batch" });
report.file = uploaded.id;
report.files = (await client.files.list()).data.map((one) => one.id);
report.content_is_whole = (await (await client.files.content(uploaded.id)).text()) === line.repeat(1000);
report.deleted = (await client.files.delete(uploaded.id)).deleted;

report.errors = {};
for (const model of ["limited", "broken", "missing", "wrong"]) {
  try {
    await client.chat.completions.create({ model, messages: user });
  } catch (error) {
    report.errors[model] = [error.constructor.name, error.status, error.code];
  }
}
const started = performance.now();
try {
  await client.chat.completions.create({ model: "limited", messages: user }, { maxRetries: 1 });
} catch {
  report.waited_as_told = performance.now() - started >= 1000;
}
try {
  await new OpenAI({ apiKey: "kw_agent_wrong", maxRetries: 0 }).models.list();
} catch (error) {
  report.wrong_key = error.status;
}
console.log(JSON.stringify(report));
