// Sends one request, and keeps the last ones for the panel.

import { explain, readChallenge } from "./words.js";

const MOST = 6;
const log = [];
const listeners = new Set();

export const requests = { all: () => log, onChange: (listener) => listeners.add(listener) };

/**
 * Sends a request once. `token` goes into the header, and `cookies` decides whether cookies go along.
 * Resolves for every answer, and with the status 0 for none.
 */
export async function exchange(method, path, { json, token, cookies = false, note } = {}) {
  const headers = new Headers({ Accept: "application/json" });
  if (json !== undefined) headers.set("Content-Type", "application/json");
  if (token) headers.set("Authorization", `Bearer ${token}`);
  // Browsers of today say by themselves which page sends a request. This is for those of yesterday.
  const csrf = cookies && method !== "GET" && csrfToken();
  if (csrf) headers.set("X-CSRF-Token", csrf);
  const answer = await send(path, {
    method,
    headers,
    body: json === undefined ? undefined : JSON.stringify(json),
    // An access token in the header and one in a cookie is one too many. The refresh token is sent where it is needed.
    credentials: cookies ? "same-origin" : "omit",
    cache: "no-store",
    redirect: "error",
  });
  const ok = answer.status >= 200 && answer.status < 300;
  const refusal = ok ? undefined : explain({ method, path, ...answer });
  log.unshift({ method, path, status: answer.status, refusal, note, at: new Date() });
  log.length = Math.min(log.length, MOST);
  listeners.forEach((listener) => listener(log[0]));
  return { ...answer, ok, refusal };
}

async function send(path, options) {
  try {
    const response = await fetch(path, options);
    const text = await response.text();
    return {
      status: response.status,
      body: parse(text),
      challenge: readChallenge(response.headers.get("WWW-Authenticate")),
      retryAfter: response.headers.get("Retry-After"),
    };
  } catch {
    return { status: 0 };
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The one cookie of the session that scripts can read. It is there as long as the session may last. */
export function csrfToken() {
  // Only this one: a server of a sibling domain can set a cookie of any other name.
  const wanted = location.protocol === "https:" ? "__Host-csrf" : "csrf";
  const pairs = document.cookie.split("; ").map((pair) => pair.split("="));
  return pairs.find(([name]) => name === wanted)?.[1];
}
