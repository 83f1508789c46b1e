"""Signs in to an MCP server with the official SDK, calls its tools, and asks for more scopes when it is told to.

    client.py <server> <issuer>

The browser is that of `provider.mjs`. Says what happened, as a line of JSON for each step.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlparse

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

SERVER, ISSUER = sys.argv[1:]


def say(step, **value):
    print(json.dumps({"step": step, **value}), flush=True)


class Kept:
    """What an application keeps for the SDK."""

    tokens = client = url = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        asked = query(self.url).get("scope", [None])[0]
        say("signed in", asked=asked, granted=tokens.scope)
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client

    async def redirect(self, url):
        self.url = url

    async def callback(self):
        async with httpx2.AsyncClient() as browser:
            answer = await browser.get(f"{ISSUER}/admin/browse", params={"url": self.url})
        answer.raise_for_status()
        sent = {name: values[0] for name, values in query(answer.json()["url"]).items()}
        return AuthorizationCodeResult(code=sent["code"], state=sent.get("state"), iss=sent.get("iss"))


def query(url):
    return parse_qs(urlparse(url).query)


async def main():
    kept = Kept()
    metadata = OAuthClientMetadata(
        client_name="interop",
        redirect_uris=["http://127.0.0.1:9/callback"],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    )
    auth = OAuthClientProvider(SERVER, metadata, kept, kept.redirect, kept.callback)
    async with httpx2.AsyncClient(auth=auth, timeout=30) as http:
        async with Client(streamable_http_client(SERVER, http_client=http)) as client:

            async def tools():
                listed = await client.list_tools(cache_mode="bypass")
                say("tools", names=sorted(tool.name for tool in listed.tools))

            async def call(name, arguments=None):
                result = await client.call_tool(name, arguments or {})
                say(name, text=result.content[0].text, isError=bool(result.is_error))

            await tools()
            await call("whoami")
            await call("list_orders")
            await call("close_order", {"number": 2})
            await tools()
            await call("list_orders")


asyncio.run(main())
