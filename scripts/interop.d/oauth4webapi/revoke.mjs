// Revokes tokens as oauth4webapi does, one line of JSON at a time: `ok`, or `no: <status> <error>`.

import { createInterface } from "node:readline";
import * as oauth from "oauth4webapi";

const methods = {
  client_secret_basic: (secret) => oauth.ClientSecretBasic(secret),
  client_secret_post: (secret) => oauth.ClientSecretPost(secret),
  none: () => oauth.None(),
};

async function revoke({ endpoint, method, client_id, client_secret, token, hint }) {
  const server = { issuer: "https://id.example.com", revocation_endpoint: endpoint };
  const authentication = methods[method](client_secret);
  const response = await oauth.revocationRequest(server, { client_id }, authentication, token, {
    additionalParameters: hint ? { token_type_hint: hint } : {},
    [oauth.allowInsecureRequests]: true,
  });
  try {
    await oauth.processRevocationResponse(response);
    return "ok";
  } catch (error) {
    // What has a challenge is known by that, and its body is left alone.
    const scheme = error.cause?.[0]?.scheme;
    return `no: ${error.status} ${error.error ?? scheme}`;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(await revoke(JSON.parse(line)));
}
