// Says in words what a token holds, and why a request was refused.

/** Reads the challenges of `WWW-Authenticate` (RFC 9110 §11.6.1), as far as a bearer scheme has them. */
export function readChallenge(field) {
  if (!field) return undefined;
  const [, scheme, rest] = /^\s*([\w-]+)\s*(.*)$/s.exec(field) ?? [];
  const parameters = {};
  for (const [, name, quoted, bare] of rest.matchAll(/([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g)) {
    parameters[name.toLowerCase()] ??= quoted?.replace(/\\(.)/g, "$1") ?? bare;
  }
  return { scheme, parameters };
}

/** Returns sentences about a refusal: `{ what, why }`. `why` is what the server itself said. */
export function explain({ method, path, status, body, challenge, retryAfter }) {
  const error = body?.error ?? challenge?.parameters.error;
  const said = body?.error_description ?? challenge?.parameters.error_description;
  const wait = retryAfter ? `Try again in ${duration(Number(retryAfter))}.` : "Try again in a moment.";
  return { what: sentence(), why: said && `${said.replace(/\.$/, "")}.`, error };

  function sentence() {
    if (status === 0) return "The server did not answer. Is it running?";
    if (path === "/api/refresh" && error === "invalid_grant") {
      return "The refresh token is not good any more: the session has ended or expired, or the token was used twice.";
    }
    if (error === "invalid_grant") {
      return path === "/api/password"
        ? "The current password is not right."
        : "The user name or the password is not right. The server does not say which, so that it tells no stranger who has an account.";
    }
    if (error === "invalid_password") return "This password cannot be used.";
    if (error === "username_taken") return "This user name is taken.";
    if (error === "cross_site") return "The request carried cookies, but it did not come from a page of this server.";
    if (error === "missing_csrf_token") return "The request carried cookies and nothing that shows which page has sent it.";
    if (status === 401 && !challenge?.parameters.error) return "The request carried no token.";
    if (status === 401) return "The token was not accepted. It has expired, was revoked or was changed.";
    if (status === 403) return "The token is good, but it does not grant what this needs.";
    if (status === 404) return "There is no such thing here.";
    if (status === 409) return "Another request came first.";
    if (status === 408) return "The request took too long.";
    if (status === 413) return "The request is too large.";
    if (status === 429) return `There were too many attempts. ${wait}`;
    if (status === 503) return `The server cannot do this right now. ${wait}`;
    if (status >= 500) return "The server made a mistake. It is in its log.";
    return "The request was not understood.";
  }
}

/** Decodes a token without verifying it: only a server can verify, and only a server has to. */
export function decode(token) {
  const [header, payload, signature] = token.split(".");
  const read = (part) => {
    const bytes = Uint8Array.from(atob(part.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.codePointAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  };
  return { header: read(header), claims: read(payload), parts: [header, payload, signature] };
}

const HEADER = {
  alg: "how it is signed",
  typ: "what kind of token it is",
  kid: "which key has signed it",
};

// In the order in which they are shown.
const CLAIMS = {
  preferred_username: "the user name",
  sub: "the user, by an id that stays",
  roles: "what the user may do",
  scope: "what the token may do",
  client_id: "the client it was issued to",
  iss: "who has issued it",
  aud: "who may accept it",
  iat: "issued",
  nbf: "not good before",
  exp: "expires",
  sid: "the session, which ends with a sign-out",
  jti: "the name of this token",
};

/** The rows of a table about a header or claims: `{ name, meaning, value, seconds }`. */
export function rows(object, of) {
  const meanings = of === "header" ? HEADER : CLAIMS;
  const names = Object.keys(meanings);
  const place = (name) => (name in meanings ? names.indexOf(name) : names.length);
  return Object.entries(object)
    .sort(([one], [other]) => place(one) - place(other))
    .map(([name, value]) => ({
      name,
      meaning: meanings[name] ?? "",
      value: typeof value === "string" ? value : Array.isArray(value) ? value.join(", ") : JSON.stringify(value),
      seconds: of === "claims" && ["iat", "nbf", "exp"].includes(name) ? value : undefined,
    }));
}

const DATE = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

export const date = (seconds) => DATE.format(new Date(seconds * 1000));

/** "in 3 minutes", "2 days ago". */
export function relative(seconds, now = Date.now() / 1000) {
  const difference = seconds - now;
  const size = Math.abs(difference);
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (size >= length) return RELATIVE.format(Math.trunc(difference / length), unit);
  }
  return size < 1 ? "now" : RELATIVE.format(Math.trunc(difference), "second");
}

export function duration(seconds) {
  const [count, unit] = seconds >= 120 ? [Math.ceil(seconds / 60), "minute"] : [Math.ceil(seconds), "second"];
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** A name for this browser, for the list of sessions. */
export function device(agent = navigator.userAgent) {
  const find = (names) => names.find(([, pattern]) => pattern.test(agent))?.[0];
  const browser = find([
    ["Edge", /Edg\//], ["Opera", /OPR\//], ["Firefox", /Firefox\//], ["Chrome", /Chrom(e|ium)\//], ["Safari", /Safari\//],
  ]);
  const system = find([
    ["Android", /Android/], ["iPhone", /iPhone/], ["iPad", /iPad/], ["Windows", /Windows/], ["macOS", /Mac OS X/],
    ["ChromeOS", /CrOS/], ["Linux", /Linux/],
  ]);
  return [browser ?? "A browser", system].filter(Boolean).join(" on ");
}
