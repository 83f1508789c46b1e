// Calls a server of ours as clients with DPoP do: `client.mjs <library> <algorithm> <authorization server> <api>`.
//
// Gets a token, calls the API twice, and fails unless it refuses a used proof, the key of a thief, and the token alone.

import assert from "node:assert/strict";
import * as dpop from "dpop";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";

const [library, algorithm, id, api] = process.argv.slice(2);
const url = new URL(`${api}/orders?page=2`);
// Node 20 says at the first such key that it is new.
process.removeAllListeners("warning");

// The last request, to send it again.
let sent;

function record(url, options) {
  sent = [url, options];
  return fetch(url, options);
}

function withOauth4webapi(keys) {
  const server = { issuer: id, token_endpoint: `${id}/token` };
  const client = { client_id: "shop" };
  const options = {
    DPoP: oauth.DPoP(client, keys),
    [oauth.allowInsecureRequests]: true,
    [oauth.customFetch]: record,
  };
  const secret = oauth.ClientSecretBasic("secret of the shop");
  async function twice(call) {
    try {
      return await call();
    } catch (error) {
      if (!oauth.isDPoPNonceError(error)) throw error;
      return call();
    }
  }
  async function token() {
    const response = await oauth.clientCredentialsGrantRequest(server, client, secret, {}, options);
    return (await oauth.processClientCredentialsResponse(server, client, response)).access_token;
  }
  const call = (token) => oauth.protectedResourceRequest(token, "GET", url, undefined, null, options);
  return { token: () => twice(token), call: (token) => answer(twice(() => call(token))) };
}

function withOpenidClient(keys) {
  const server = { issuer: id, token_endpoint: `${id}/token` };
  const config = new openid.Configuration(server, "shop", "secret of the shop");
  openid.allowInsecureRequests(config);
  config[openid.customFetch] = record;
  const DPoP = openid.getDPoPHandle(config, keys);
  return {
    token: async () => (await openid.clientCredentialsGrant(config, {}, { DPoP })).access_token,
    call: (token) => answer(openid.fetchProtectedResource(config, token, url, "GET", null, undefined, { DPoP })),
  };
}

// This library makes proofs and nothing else.
function withDpop(keys) {
  const nonces = {};
  async function send(url, method, token) {
    for (const _ of [1, 2]) {
      const { origin, pathname } = url;
      const proof = await dpop.generateProof(keys, origin + pathname, method, nonces[origin], token);
      const headers = { dpop: proof, ...(token && { authorization: `DPoP ${token}` }) };
      const response = await record(url, { method, headers });
      nonces[origin] = response.headers.get("dpop-nonce") ?? nonces[origin];
      const body = await response.text();
      const challenge = response.headers.get("www-authenticate") ?? body;
      if (response.ok || !challenge.includes("use_dpop_nonce")) return { status: response.status, challenge, body };
    }
    throw new Error("no nonce was good");
  }
  return {
    token: async () => JSON.parse((await send(new URL(`${id}/token`), "POST")).body).access_token,
    call: (token) => send(url, "GET", token),
  };
}

async function answer(call) {
  try {
    const response = await call;
    return { status: response.status, body: await response.text() };
  } catch (error) {
    // The libraries read the challenges.
    return { status: error.status, challenge: JSON.stringify(error.cause) };
  }
}

const [make, makeKeys] = {
  oauth4webapi: [withOauth4webapi, oauth.generateKeyPair],
  "openid-client": [withOpenidClient, openid.randomDPoPKeyPair],
  dpop: [withDpop, dpop.generateKeyPair],
}[library];

const client = make(await makeKeys(algorithm));
const token = await client.token();
for (const _ of [1, 2]) {
  assert.deepEqual([(await client.call(token)).status, typeof sent[1].headers], [200, "object"]);
}

const again = await fetch(...sent);
assert.equal(again.status, 401);
assert.match(again.headers.get("www-authenticate"), /^DPoP .*error="invalid_dpop_proof"/);

const stolen = await make(await makeKeys(algorithm)).call(token);
assert.equal(stolen.status, 401);
assert.match(stolen.challenge, /invalid_token/);

const bare = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
assert.equal(bare.status, 401);
assert.match(bare.headers.get("www-authenticate"), /^DPoP .*error="invalid_token"/);
