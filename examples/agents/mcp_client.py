"""Lists Keyward's tools and calls each, with the client of the package `mcp` (pip install mcp).

    KEYWARD_MCP_URL=http://127.0.0.1:8080/mcp KEYWARD_KEY=kw_agent_… python3 mcp_client.py [CREDENTIAL PATH]

The key has to be one of an agent with the scopes `read` and `agents:write`; with a credential to be used, and a path
of its service, also `credentials:use`.
"""

import asyncio
import os
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


def connect(key):
    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"})
    return Client(streamable_http_client(os.environ["KEYWARD_MCP_URL"], http_client=http))


async def call(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        raise SystemExit(f"{tool}: {result.content[0].text}")
    return result.structured_content


async def main():
    async with connect(os.environ["KEYWARD_KEY"]) as parent:
        for tool in (await parent.list_tools()).tools:
            print(f"{tool.name}: {tool.description.split('.')[0]}")
        me = await call(parent, "whoami")
        print(f"I am {me['username']}")
        child = await call(parent, "create_agent_user", name="from-python", rotate=True)
        proof = await call(parent, "get_totp_code", audience=child["id"], purpose="task 7")
        given = {"username": proof["username"], "code": proof["totp_code"], "purpose": "task 7"}
        async with connect(child["api_key"]) as receiver:
            verdict = await call(receiver, "verify_agent", **given)
        print(f"{child['username']} has verified {verdict['agent']['username']}")
        kept = await call(parent, "list_credentials")
        print(f"{len(kept['credentials'])} credentials")
        if len(sys.argv) == 3:
            answer = await call(parent, "use_credential", credential=sys.argv[1], path=sys.argv[2])
            print(f"the service has answered {answer['status']}: {answer['body']}")


asyncio.run(main())
