// Signs in to an MCP server with the official SDK, calls its tools, and asks for more scopes when it is told to:
// `client.mjs <server> <issuer>`. The browser is that of `provider.mjs`. Says what happened, as a line of JSON for each step.

import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [server, issuer] = process.argv.slice(2);
const say = (step, value) => console.log(JSON.stringify({ step, ...value }));

// What an application keeps for the SDK.
const kept = {};
const authProvider = {
  redirectUrl: "http://127.0.0.1:9/callback",
  get clientMetadata() {
    return {
      client_name: "interop",
      redirect_uris: [this.redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => (kept.tokens = tokens),
  redirectToAuthorization: (url) => (kept.url = url),
  saveCodeVerifier: (verifier) => (kept.verifier = verifier),
  codeVerifier: () => kept.verifier,
};

async function signIn(transport) {
  const asked = new URL(kept.url).searchParams;
  const answer = await fetch(`${issuer}/admin/browse?url=${encodeURIComponent(kept.url)}`);
  if (!answer.ok) throw new Error(await answer.text());
  const code = new URL((await answer.json()).url).searchParams.get("code");
  await transport.finishAuth(code);
  say("signed in", { asked: asked.get("scope"), granted: kept.tokens.scope });
}

// Runs this, and signs in as often as the server asks for it, once at most.
async function signedIn(transport, run) {
  try {
    return await run(transport());
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await signIn(transport());
    return run(transport());
  }
}

let client, transport;
const fresh = () => (transport = new StreamableHTTPClientTransport(new URL(server), { authProvider }));
async function connect(transport) {
  client = new Client({ name: "interop", version: "1" });
  await client.connect(transport);
}
await signedIn(fresh, connect);

const tools = async () => (await client.listTools()).tools.map(({ name }) => name).sort();
const call = async (name, args = {}) => {
  const { content, isError } = await client.callTool({ name, arguments: args });
  return { text: content[0].text, isError: isError ?? false };
};

say("tools", { names: await tools() });
say("whoami", await call("whoami"));
say("list_orders", await call("list_orders"));
const closed = await signedIn(() => transport, () => call("close_order", { number: 2 }));
say("close_order", closed);
say("tools", { names: await tools() });
say("list_orders", await call("list_orders"));
await transport.terminateSession();
await client.close();
