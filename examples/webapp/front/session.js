// Keeps the session of the user, refreshes its tokens when a request is refused, and keeps all tabs in step.
//
// | way            | access token                     | refresh token                    | after a reload           |
// |----------------|----------------------------------|----------------------------------|--------------------------|
// | refresh-cookie | a variable, sent in the header   | a cookie that no script can read | a refresh gets a new one |
// | cookies        | a cookie that no script can read | a cookie that no script can read | the browser has it       |
//
// The server knows by the names of the cookies which way a session has, and answers accordingly.
//
// Nothing is kept in `localStorage`: it is on the disk, and every script of this origin can read it at any time.

import { csrfToken, exchange } from "./http.js";
import { device } from "./words.js";

/** `generation` counts the refreshes that this tab knows of. */
const state = { isSignedIn: false, accessToken: undefined, generation: 0 };
const LOCK = "front-door tokens";
const listeners = new Set();
const tabs = new BroadcastChannel("front-door");

export const session = {
  get isSignedIn() {
    return state.isSignedIn;
  },
  /** The access token, if a script can have it. */
  get accessToken() {
    return state.accessToken;
  },
  /** Calls the function after each change with `{ isSignedIn, reason }`. */
  onChange: (listener) => listeners.add(listener),
};

/** Finds the session that this browser may have, after the page was loaded. */
export async function restore() {
  if (!csrfToken()) return;
  state.isSignedIn = true;
  // Works in both ways: the answer holds an access token, or sets it as a cookie.
  await refresh();
}

/** Signs in, or registers and signs in. `keep` is the way, as the table above names it. */
export function signIn(path, { username, password, keep }) {
  const json = { username, password, keep, device: device() };
  // Not beside a refresh, whose cookies would come after these.
  return navigator.locks.request(LOCK, async () => {
    const answer = await exchange("POST", path, { json, cookies: true });
    if (answer.ok) take(answer.body);
    return answer;
  });
}

/** Ends this session, here and in all tabs. */
export async function signOut() {
  const answer = await navigator.locks.request(LOCK, () => exchange("POST", "/api/logout", credentials({ refresh: true })));
  // The server says the same of a token that is not good any more. A browser may have forgotten an expired one.
  if (answer.ok || (answer.status === 400 && !csrfToken())) leave("You have signed out.", "You have signed out in another tab.");
  return answer;
}

/** Ends all sessions of the user. */
export async function signOutEverywhere() {
  // With the cookies too: a browser removes none by the answer to a request without them.
  const answer = await call("POST", "/api/logout-everywhere", undefined, { cookies: true });
  if (answer.ok) leave("You have signed out on all devices.", "You have signed out on all devices.");
  return answer;
}

/** Sends a request as the user. One that is refused because the access token has expired is sent again after a refresh. */
export async function call(method, path, json, more) {
  const { generation } = state;
  const answer = await exchange(method, path, { ...credentials(), json, ...more });
  if (answer.status !== 401 || !session.isSignedIn) return answer;
  if (!(await refresh(generation))) return answer;
  return exchange(method, path, { ...credentials(), json, ...more, note: "after a refresh" });
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
        take(answer.body);
      } else if (answer.status === 401 || answer.status === 400) {
        leave(`You were signed out. ${answer.refusal.what}`);
      }
      // After any other answer the session may go on: the same token is sent again later.
      return answer.ok;
    })
    .finally(() => (inFlight = undefined));
  return inFlight;
}

/** Takes the tokens of an answer, here and in all tabs. */
export function take({ access_token: accessToken }) {
  adopt(accessToken);
  // To pages of this origin only. They could refresh by themselves, so they learn nothing that they may not.
  tabs.postMessage({ type: "tokens", accessToken });
}

/** The credentials of a request, or of one that needs the refresh token. */
export function credentials({ refresh = false } = {}) {
  return refresh || !state.accessToken ? { cookies: true } : { token: state.accessToken };
}

function adopt(accessToken) {
  state.isSignedIn = true;
  state.accessToken = accessToken;
  state.generation += 1;
  changed();
}

function leave(reason, elsewhere = reason) {
  forget(reason);
  tabs.postMessage({ type: "signed out", reason: elsewhere });
}

function forget(reason) {
  if (!session.isSignedIn) return;
  state.isSignedIn = false;
  state.accessToken = undefined;
  state.generation += 1;
  changed(reason);
}

function changed(reason) {
  listeners.forEach((listener) => listener({ isSignedIn: session.isSignedIn, reason }));
}

tabs.addEventListener("message", ({ data }) => {
  if (data.type === "tokens") adopt(data.accessToken);
  else if (data.type === "signed out") forget(data.reason);
});
