// Everything that programs do with Anthropic's package, set up by its two variables alone.
import Anthropic, { toFile } from "@anthropic-ai/sdk";

const client = new Anthropic({ maxRetries: 0 });
const report = {};
const asked = { model: "model-a", max_tokens: 100, messages: [{ role: "user", content: "good morning" }] };
const tools = [{ name: "weather", input_schema: { type: "object", properties: { city: { type: "string" } } } }];

report.models = (await client.models.list()).data.map((model) => model.id);
report.chat = (await client.messages.create(asked)).content[0].text;
report.tokens = (await client.messages.countTokens({ model: "model-a", messages: asked.messages })).input_tokens;

let began;
report.streamed = "";
const stream = client.messages.stream(asked).on("text", (text) => {
  began ??= performance.now();
  report.streamed += text;
});
await stream.finalMessage();
report.stream_seconds = (performance.now() - began) / 1000;

const first = await client.messages.create({ ...asked, tools });
report.tool = [first.content[0].name, first.content[0].input];
const more = [...asked.messages, { role: "assistant", content: first.content },
  { role: "user", content: [{ type: "tool_result", tool_use_id: first.content[0].id, content: "rain" }] }];
report.after_tool = (await client.messages.create({ ...asked, messages: more, tools })).content[0].text;
report.tool_streamed = (await client.messages.stream({ ...asked, tools }).finalMessage()).content[0].input;

const uploaded = await client.beta.files.upload({ file: await toFile(Buffer.from("a,b\n1,2\n"), "a.csv", { type: "text/csv" }) });
report.file = uploaded.id;
report.content = await (await client.beta.files.download(uploaded.id)).text();
report.deleted = (await client.beta.files.delete(uploaded.id)).id;

report.errors = {};
for (const model of ["limited", "overloaded", "missing", "wrong"]) {
  try {
    await client.messages.create({ ...asked, model });
  } catch (error) {
    report.errors[model] = [error.constructor.name, error.status, error.error.error.type];
  }
}
try {
  await new Anthropic({ apiKey: "kw_agent_wrong", maxRetries: 0 }).models.list();
} catch (error) {
  report.wrong_key = error.status;
}
console.log(JSON.stringify(report));
