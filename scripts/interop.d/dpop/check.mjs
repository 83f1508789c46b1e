// What oauth4webapi thinks of requests with DPoP proofs, as a resource server, one line of JSON at a time: `ok` or
// `no: <reason>`. The first line has the keys of the issuer.

import { createInterface } from "node:readline";
import * as oauth from "oauth4webapi";

const server = { issuer: "https://id.example.com", jwks_uri: "https://id.example.com/jwks" };
const AUDIENCE = "https://api.example.com";
// Node 20 says at each import of such a key that it is new.
process.removeAllListeners("warning");

async function check({ method, url, token, proofs, now }) {
  // The library cannot be told the time of day; this is where it looks.
  Date.now = () => now * 1000;
  try {
    const headers = new Headers({ authorization: `DPoP ${token}` });
    for (const proof of proofs) headers.append("dpop", proof);
    const request = new Request(url, { method, headers });
    await oauth.validateJwtAccessToken(server, request, AUDIENCE, {
      requireDPoP: true,
      signingAlgorithms: undefined,
      [oauth.clockTolerance]: 300,
      [oauth.jwksCache]: { jwks, uat: now },
    });
    return "ok";
  } catch (error) {
    const cause = error.cause?.message ?? "";
    return `no: ${error.code ?? "not meant"}: ${JSON.stringify(`${error.message} ${cause}`)}`;
  }
}

let jwks;
for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  if (question.jwks) {
    jwks = question.jwks;
    console.log("ok");
  } else {
    console.log(await check(question));
  }
}
