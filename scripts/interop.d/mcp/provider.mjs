// An authorization server on loopback as MCP asks for it: `provider.mjs`. Says `listening <issuer>` once it does.
//
// Clients register themselves (RFC 7591), and get JWTs for the resource in `RESOURCE` (RFC 8707), by the code flow with
// PKCE. Users sign in and consent on the pages of oidc-provider's own.
//
// - `GET /admin/browse?url=…` is a browser: it goes to an authorization URL, signs in as alice, consents to everything,
//   and says where it was sent with the code. It has no session before.
// - `GET /admin/requests` lists the authorization requests: scope, resource, and how PKCE was used.

import { once } from "node:events";
import { createServer } from "node:http";
import { errors, Provider } from "oidc-provider";

const { RESOURCE: resource } = process.env;
const withoutSlash = (url) => url.replace(/\/$/, "");
const SCOPES = ["orders:read", "orders:write"];

const server = createServer(answer).listen(0, "127.0.0.1");
await once(server, "listening");
const issuer = `http://127.0.0.1:${server.address().port}`;
const requests = [];

const provider = new Provider(issuer, {
  // A public client of a program on this machine: SDKs do not say so.
  clientDefaults: { application_type: "native", token_endpoint_auth_method: "none" },
  claims: { openid: ["sub"], profile: ["name"] },
  // SDKs register with the scopes of their first request, and ask for more later, which this provider would refuse.
  extraClientMetadata: {
    properties: ["any"],
    validator(_, __, ___, metadata) {
      delete metadata.scope;
    },
  },
  features: {
    devInteractions: { enabled: true },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo(_, indicator) {
        // Without a path, some clients write the URL as browsers do, with a slash.
        if (withoutSlash(indicator) !== withoutSlash(resource)) throw new errors.InvalidTarget();
        return { scope: SCOPES.join(" "), accessTokenFormat: "jwt", jwt: { sign: { alg: "RS256" } } };
      },
    },
  },
  findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  extraTokenClaims: () => ({ name: "Alice" }),
  pkce: { required: () => true },
  scopes: ["openid", "offline_access", ...SCOPES],
  ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 3600, IdToken: 600, Interaction: 600, Session: 3600 },
});

console.log(`listening ${issuer}`);

async function answer(request, response) {
  const url = new URL(request.url, issuer);
  const say = (value) =>
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
  try {
    if (url.pathname === "/admin/browse") return say(await browse(url.searchParams.get("url")));
    if (url.pathname === "/admin/requests") return say(requests);
  } catch (error) {
    return response.writeHead(400).end(String(error));
  }
  if (url.pathname === "/auth") {
    const [scope, method] = ["scope", "code_challenge_method"].map((name) => url.searchParams.get(name));
    requests.push({ scope, method, resource: url.searchParams.get("resource") });
  }
  // RFC 8414 §3.1. This provider has its metadata under OpenID's name.
  if (url.pathname === "/.well-known/oauth-authorization-server") {
    request.url = "/.well-known/openid-configuration";
  }
  return provider.callback()(request, response);
}

// Goes where it is sent, and submits the form of each page, until it is sent away from here.
async function browse(start) {
  const cookies = new Map();
  let [url, init] = [new URL(start), {}];
  for (let step = 0; step < 20; step += 1) {
    if (url.origin !== issuer) return { url: url.href };
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, { ...init, redirect: "manual", headers: { ...init.headers, cookie } });
    for (const set of response.headers.getSetCookie()) {
      const [name, value] = set.split(";")[0].split(/=(.*)/s);
      cookies.set(name, value);
    }
    const location = response.headers.get("location");
    if (location) {
      [url, init] = [new URL(location, url), {}];
      continue;
    }
    const page = await response.text();
    const action = page.match(/<form[^>]*action="([^"]+)"/)?.[1];
    if (!response.ok || !action) throw new Error(`${response.status} ${page}`);
    const fields = new URLSearchParams({ login: "alice", password: "x" });
    for (const [, name, value] of page.matchAll(/type="hidden" name="([^"]+)" value="([^"]*)"/g)) {
      fields.set(name, value);
    }
    url = new URL(action.replaceAll("&amp;", "&"), url);
    init = {
      method: "POST",
      body: fields.toString(),
      headers: { "content-type": "application/x-www-form-urlencoded" },
    };
  }
  throw new Error("the pages go on for ever");
}
