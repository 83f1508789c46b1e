// Keeps the tokens of the user, refreshes them when a request is refused, and keeps all tabs in step.
//
// | kept in  | access token                     | refresh token                    | after a reload              |
// |----------|----------------------------------|----------------------------------|-----------------------------|
// | memory   | a variable, sent in the header   | a variable, sent in a body       | another tab hands them over |
// | cookies  | a cookie that no script can read | a cookie that no script can read | the browser still has them  |
//
// Nothing is kept in `localStorage`: it is on the disk, and every script of this origin can read it at any time.

import { csrfToken, exchange } from "./http.js";
import { device } from "./words.js";

/** `keep` is "memory", "cookies" or undefined, which is signed out. `generation` counts the refreshes that this tab knows of. */
const state = { keep: undefined, tokens: undefined, generation: 0 };
const LOCK = "front-door tokens";
const listeners = new Set();
const tabs = new BroadcastChannel("front-door");

export const session = {
  get isSignedIn() {
    return state.keep !== undefined;
  },
  get keep() {
    return state.keep;
  },
  /** The access token, if a script can have it. */
  get accessToken() {
    return state.tokens?.access_token;
  },
  get refreshToken() {
    return state.tokens?.refresh_token;
  },
  /** Calls the function after each change with `{ isSignedIn, reason }`. */
  onChange: (listener) => listeners.add(listener),
};

/** Finds the session that this browser may have, after the page was loaded. */
export async function restore() {
  if (csrfToken()) {
    state.keep = "cookies";
    return;
  }
  await new Promise((resolve) => {
    const done = setTimeout(resolve, 150);
    restored = () => {
      clearTimeout(done);
      resolve();
    };
    tabs.postMessage({ type: "tokens?" });
  });
  restored = undefined;
}

let restored;

/** Signs in, or registers and signs in. */
export async function signIn(path, { username, password, keep }) {
  const json = { username, password, device: device() };
  if (keep === "cookies") json.keep = "cookies";
  // Cookies of a session that was not ended would come back after a reload.
  else if (csrfToken()) await exchange("POST", "/api/logout", { cookies: true });
  // Not beside a refresh, whose cookies would come after these.
  return navigator.locks.request(LOCK, async () => {
    const answer = await exchange("POST", path, { json, cookies: keep === "cookies" });
    if (answer.ok) {
      adopt(keep, answer.body);
      tell();
      changed();
    }
    return answer;
  });
}

/** Ends this session, here and in all tabs. */
export async function signOut() {
  const answer = await navigator.locks.request(LOCK, () => exchange("POST", "/api/logout", credentials({ refresh: true })));
  // The server says the same of a token that is not good any more.
  if (answer.ok) leave("You have signed out.", "You have signed out in another tab.");
  return answer;
}

/** Ends all sessions of the user. */
export async function signOutEverywhere() {
  const answer = await call("POST", "/api/logout-everywhere");
  if (answer.ok) leave("You have signed out on all devices.", "You have signed out on all devices.");
  return answer;
}

/** Sends a request as the user. One that is refused because the access token has expired is sent again after a refresh. */
export async function call(method, path, json) {
  const { generation } = state;
  const answer = await exchange(method, path, { ...credentials(), json });
  if (answer.status !== 401 || !session.isSignedIn) return answer;
  if (!(await refresh(generation))) return answer;
  return exchange(method, path, { ...credentials(), json, note: "after a refresh" });
}

let inFlight;

/**
 * Gets a new access token, unless another request or tab did since `generation`. Resolves to whether there is one.
 *
 * The lock makes one refresh of many. It is a courtesy only: two that come together all the same get the same
 * answer from the server.
 */
export function refresh(generation = state.generation) {
  inFlight ??= navigator.locks
    .request(LOCK, async () => {
      if (state.generation !== generation) return session.isSignedIn;
      const answer = await exchange("POST", "/api/refresh", credentials({ refresh: true }));
      // Another user has signed in meanwhile, or this one out: the answer is of a session that is over.
      if (state.generation !== generation) return session.isSignedIn;
      if (answer.ok) {
        adopt(state.keep, answer.body);
        tell();
        changed();
      } else if (answer.status === 401 || answer.status === 400) {
        leave(`You were signed out. ${answer.refusal.what}`);
      }
      // After any other answer the session may go on: the same token is sent again later.
      return answer.ok;
    })
    .finally(() => (inFlight = undefined));
  return inFlight;
}

/** For the page of experiments: takes tokens that it has got by itself. */
export function take(tokens) {
  adopt(state.keep, tokens);
  tell();
  changed();
}

/** The credentials of a request, or of one that needs the refresh token. */
export function credentials({ refresh = false } = {}) {
  if (state.keep === "cookies") return { cookies: true };
  return refresh ? { json: { refresh_token: session.refreshToken } } : { token: session.accessToken };
}

function adopt(keep, tokens) {
  state.keep = keep;
  state.tokens = keep === "memory" ? tokens : undefined;
  state.generation += 1;
}

function tell() {
  // To pages of this origin only. They could sign in by themselves, so they learn nothing that they may not.
  tabs.postMessage({ type: "tokens", keep: state.keep, tokens: state.tokens });
}

function leave(reason, elsewhere = reason) {
  forget(reason);
  tabs.postMessage({ type: "signed out", reason: elsewhere });
}

function forget(reason) {
  if (!session.isSignedIn) return;
  state.keep = undefined;
  state.tokens = undefined;
  state.generation += 1;
  changed(reason);
}

function changed(reason) {
  listeners.forEach((listener) => listener({ isSignedIn: session.isSignedIn, reason }));
}

tabs.addEventListener("message", ({ data }) => {
  if (data.type === "tokens?") {
    if (state.keep === "memory") tell();
  } else if (data.type === "tokens") {
    adopt(data.keep, data.tokens);
    restored?.();
    changed();
  } else if (data.type === "signed out") {
    forget(data.reason);
  }
});
