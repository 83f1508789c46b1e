// Meets resources for the first time, as oauth4webapi does: one line of JSON in for each, with the URL of the resource and
// the server that answers for it; one line out, with the document and the challenges, or what was wrong with them.

import { createInterface } from "node:readline";
import * as oauth from "oauth4webapi";

/** Sends the requests for any host to this server. */
const fetchFrom = (server) => (url, options) => {
  const { pathname, search, host } = new URL(url);
  return fetch(server + pathname + search, { ...options, headers: { ...options?.headers, "x-host": host } });
};

async function meet({ resource, server }) {
  const options = { [oauth.customFetch]: fetchFrom(server), [oauth.allowInsecureRequests]: true };
  const url = new URL(resource);
  try {
    const response = await oauth.resourceDiscoveryRequest(url, options);
    const document = await oauth.processResourceDiscoveryResponse(url, response);
    const challenges = await oauth
      .protectedResourceRequest("token", "GET", url, new Headers(), null, options)
      .then(() => [], (error) => error.cause.map(({ scheme, parameters }) => ({ scheme, parameters })));
    return { document, challenges };
  } catch (error) {
    return { problem: `${error.code ?? error.name}: ${error.message}` };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await meet(JSON.parse(line))));
}
