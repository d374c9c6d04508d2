"""Everything that programs do with OpenAI's package, set up by its two variables alone."""

import json
import time

import openai

client = openai.OpenAI(max_retries=0)
report = {}
user = [{"role": "user", "content": "good morning"}]
tools = [{"type": "function", "function": {
    "name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]

report["models"] = [model.id for model in client.models.list()]
answer = client.chat.completions.create(model="model-a", messages=user)
report["chat"] = answer.choices[0].message.content

times, words = [], []
for chunk in client.chat.completions.create(model="model-a", messages=user, stream=True):
    times.append(time.monotonic())
    words.append(chunk.choices[0].delta.content or "")
report["streamed"] = "".join(words)
report["stream_seconds"] = times[-1] - times[0]

first = client.chat.completions.create(model="model-a", messages=user, tools=tools)
call = first.choices[0].message.tool_calls[0]
report["tool"] = [call.function.name, json.loads(call.function.arguments)]
more = user + [first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
report["after_tool"] = client.chat.completions.create(model="model-a", messages=more, tools=tools).choices[0].message.content
parts = client.chat.completions.create(model="model-a", messages=user, tools=tools, stream=True)
report["tool_streamed"] = "".join(
    part.function.arguments or "" for chunk in parts for part in chunk.choices[0].delta.tool_calls or [])

report["response"] = client.responses.create(model="model-a", input="hello").output_text
report["response_streamed"] = "".join(
    event.delta for event in client.responses.create(model="model-a", input="hello", stream=True)
    if event.type == "response.output_text.delta")
report["embedding"] = client.embeddings.create(model="e", input="x", encoding_format="float").data[0].embedding

line = '{"line": "of a file that is uploaded"}\n'
uploaded = client.files.create(file=("a.jsonl", (line * 50_000).encode()), purpose="batch")
report["file"] = uploaded.id
report["files"] = [one.id for one in client.files.list()]
report["content_is_whole"] = client.files.content(uploaded.id).text == line * 1000
report["deleted"] = client.files.delete(uploaded.id).deleted

report["errors"] = {}
for model in ["limited", "broken", "missing", "wrong"]:
    try:
        client.chat.completions.create(model=model, messages=user)
    except openai.APIStatusError as error:
        report["errors"][model] = [type(error).__name__, error.status_code, error.code]
started = time.monotonic()
try:
    client.with_options(max_retries=1).chat.completions.create(model="limited", messages=user)
except openai.RateLimitError:
    report["waited_as_told"] = time.monotonic() - started >= 1
try:
    openai.OpenAI(api_key="kw_agent_wrong", max_retries=0).models.list()
except openai.AuthenticationError as error:
    report["wrong_key"] = error.status_code
print(json.dumps(report))
