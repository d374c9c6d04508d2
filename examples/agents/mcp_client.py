"""Lists Keyward's tools and calls one, with the client of the package `mcp` (pip install mcp).

    KEYWARD_MCP_URL=http://127.0.0.1:8080/mcp KEYWARD_KEY=kw_agent_… python3 mcp_client.py
"""

import asyncio
import os

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main():
    headers = {"Authorization": f"Bearer {os.environ['KEYWARD_KEY']}"}
    http = httpx2.AsyncClient(headers=headers)
    url = os.environ["KEYWARD_MCP_URL"]
    async with Client(streamable_http_client(url, http_client=http)) as client:
        for tool in (await client.list_tools()).tools:
            print(f"{tool.name}: {tool.description.split('.')[0]}")
        result = await client.call_tool("whoami", {})
        print(f"I am {result.structured_content['username']}")


asyncio.run(main())
