// Calls a server of ours from a page of another origin, with a key that the page cannot read:
// `dpop.mjs <authorization server> <api> <page>`.

import assert from "node:assert/strict";
import { launch } from "./launch.mjs";

const [id, api, url] = process.argv.slice(2);
const browser = await launch();
try {
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error));
  await page.goto(url);
  const seen = await page.evaluate(inThePage, { id, api });
  assert.deepEqual(seen, {
    origin: new URL(url).origin,
    exported: "InvalidAccessError",
    token: ["400 use_dpop_nonce", "200"],
    client: ["401 use_dpop_nonce", "200", "200"],
    replayed: "401 invalid_dpop_proof",
    thief: "401 invalid_token",
    bearer: 401,
  });
  assert.deepEqual(errors, []);
} finally {
  await browser.close();
}

// Runs in the browser, without a library.
async function inThePage({ id, api }) {
  const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const utf8 = (text) => new TextEncoder().encode(text);
  const json = (value) => base64url(utf8(JSON.stringify(value)));

  class Client {
    nonces = {};

    static async new() {
      const client = new Client();
      client.keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
      const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", client.keys.publicKey);
      client.jwk = { kty, crv, x, y };
      return client;
    }

    async prove(method, url, token) {
      const { origin, pathname } = new URL(url);
      const header = { typ: "dpop+jwt", alg: "ES256", jwk: this.jwk };
      const claims = {
        jti: crypto.randomUUID(),
        htm: method,
        htu: origin + pathname,
        iat: Math.floor(Date.now() / 1000),
        nonce: this.nonces[origin],
        ath: token && base64url(await crypto.subtle.digest("SHA-256", utf8(token))),
      };
      const input = `${json(header)}.${json(claims)}`;
      const algorithm = { name: "ECDSA", hash: "SHA-256" };
      return `${input}.${base64url(await crypto.subtle.sign(algorithm, this.keys.privateKey, utf8(input)))}`;
    }

    async send(method, url, token) {
      const headers = { dpop: await this.prove(method, url, token) };
      if (token) headers.authorization = `DPoP ${token}`;
      this.sent = [url, { method, headers }];
      const response = await fetch(...this.sent);
      // Visible to the page only if the server exposes it.
      const nonce = response.headers.get("DPoP-Nonce");
      if (nonce) this.nonces[new URL(url).origin] = nonce;
      return response;
    }
  }

  async function shown(response) {
    const challenge = response.headers.get("WWW-Authenticate") ?? (response.ok ? "" : await response.text());
    const error = challenge.match(/"?error"?[=:]"([a-z_]+)"/);
    return error ? `${response.status} ${error[1]}` : `${response.status}`;
  }

  const client = await Client.new();
  const seen = { origin: location.origin, token: [], client: [] };
  seen.exported = await crypto.subtle.exportKey("jwk", client.keys.privateKey).catch((error) => error.name);
  seen.token.push(await shown(await client.send("POST", `${id}/token`)));
  const answer = await client.send("POST", `${id}/token`);
  seen.token.push(`${answer.status}`);
  const token = (await answer.json()).access_token;
  for (const _ of [1, 2, 3]) seen.client.push(await shown(await client.send("GET", `${api}/orders?page=2`, token)));
  seen.replayed = await shown(await fetch(...client.sent));
  const thief = await Client.new();
  seen.thief = await shown(await thief.send("GET", `${api}/orders`, token));
  // Without a nonce, the server exposes no field by itself.
  seen.bearer = (await fetch(`${api}/orders`, { headers: { authorization: `Bearer ${token}` } })).status;
  return seen;
}
