"""Everything that programs do with Anthropic's package, set up by its two variables alone."""

import json
import time

import anthropic

client = anthropic.Anthropic(max_retries=0)
report = {}
asked = {"model": "model-a", "max_tokens": 100, "messages": [{"role": "user", "content": "good morning"}]}
tools = [{"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]

report["models"] = [model.id for model in client.models.list()]
report["chat"] = client.messages.create(**asked).content[0].text
report["tokens"] = client.messages.count_tokens(model="model-a", messages=asked["messages"]).input_tokens

times = []
with client.messages.stream(**asked) as stream:
    words = []
    for text in stream.text_stream:
        times.append(time.monotonic())
        words.append(text)
    report["streamed"] = "".join(words)
    report["stream_seconds"] = time.monotonic() - times[0]

first = client.messages.create(**asked, tools=tools)
report["tool"] = [first.content[0].name, first.content[0].input]
more = asked["messages"] + [
    {"role": "assistant", "content": [block.model_dump() for block in first.content]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": first.content[0].id, "content": "rain"}]}]
report["after_tool"] = client.messages.create(**{**asked, "messages": more}, tools=tools).content[0].text
with client.messages.stream(**asked, tools=tools) as stream:
    report["tool_streamed"] = stream.get_final_message().content[0].input

uploaded = client.beta.files.upload(file=("a.csv", b"a,b\n1,2\n", "text/csv"))
report["file"] = uploaded.id
report["content"] = client.beta.files.download(uploaded.id).text()
report["deleted"] = client.beta.files.delete(uploaded.id).id

report["errors"] = {}
for model in ["limited", "overloaded", "missing", "wrong"]:
    try:
        client.messages.create(**{**asked, "model": model})
    except anthropic.APIStatusError as error:
        report["errors"][model] = [type(error).__name__, error.status_code, error.body["error"]["type"]]
try:
    anthropic.Anthropic(api_key="kw_agent_wrong", max_retries=0).models.list()
except anthropic.AuthenticationError as error:
    report["wrong_key"] = error.status_code
print(json.dumps(report))
