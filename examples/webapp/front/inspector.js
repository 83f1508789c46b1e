// The panel beside each page: the parts of the access token, and the last requests with the reason of each refusal.

import { h } from "./dom.js";
import { requests } from "./http.js";
import { session } from "./session.js";
import { date, decode, relative, rows } from "./words.js";

const tokenPlace = document.getElementById("token");
const requestsPlace = document.getElementById("requests");

/** What the server has said about a token that scripts cannot read. */
let served;

export function start() {
  session.onChange(() => {
    if (!session.isSignedIn) served = undefined;
    showToken();
  });
  requests.onChange(showRequests);
  showToken();
  showRequests();
  setInterval(tick, 1000);
}

/** Takes the header and claims that `/api/me` answers with. */
export function show(me) {
  served = { header: me.header, claims: me.claims };
  showToken();
}

function showToken() {
  tokenPlace.replaceChildren(...tokenParts());
  tick();
}

function tokenParts() {
  if (!session.isSignedIn) {
    return [h("p", { class: "empty" }, "There is none. Sign in, and its parts are shown here.")];
  }
  const { accessToken } = session;
  const token = accessToken ? decode(accessToken) : served;
  if (!token) return [h("p", { class: "loading" }, "Loading")];
  return [
    h(
      "p",
      { class: "where" },
      h("span", { class: "chip" }, accessToken ? "in memory" : "in a cookie"),
      " ",
      h("span", { class: "left", "data-exp": token.claims.exp, "data-iat": token.claims.iat }),
    ),
    accessToken
      ? h(
          "p",
          { class: "raw", role: "img", "aria-label": "The token: header, claims and signature, joined by dots" },
          h("span", { class: "part-header" }, token.parts[0]),
          ".",
          h("span", { class: "part-claims" }, token.parts[1]),
          ".",
          h("span", { class: "part-signature" }, token.parts[2]),
        )
      : h("p", { class: "hint" }, "No script can read the cookie. The server has said what is in it."),
    table("Header", "part-header", rows(token.header, "header")),
    table("Claims", "part-claims", rows(token.claims, "claims")),
    h(
      "p",
      { class: "hint" },
      h("strong", { class: "part-signature" }, "Signature"),
      " over both. Who changes a letter cannot make it again without the private key.",
    ),
  ];
}

function table(title, part, of) {
  return h(
    "table",
    { class: "claims" },
    h("caption", { class: part }, title),
    h(
      "tbody",
      {},
      of.map(({ name, meaning, value, seconds }) =>
        h(
          "tr",
          {},
          // Long names may break at their underscores.
          h("th", { scope: "row" }, h("code", {}, name.split(/(?<=_)/).flatMap((part) => [part, h("wbr")]))),
          h(
            "td",
            {},
            h("span", { class: "value" }, seconds === undefined ? value : date(seconds)),
            " ",
            seconds === undefined
              ? h("span", { class: "meaning" }, meaning)
              : h("span", { class: "meaning" }, `${meaning} `, h("span", { "data-relative": seconds }, relative(seconds))),
          ),
        ),
      ),
    ),
  );
}

function tick() {
  const now = Date.now() / 1000;
  tokenPlace.querySelectorAll("[data-relative]").forEach((place) => {
    place.textContent = relative(Number(place.dataset.relative), now);
  });
  const left = tokenPlace.querySelector("[data-exp]");
  if (left) {
    const seconds = Number(left.dataset.exp) - now;
    left.textContent =
      seconds > 0 ? `expires ${relative(Number(left.dataset.exp), now)}` : "has expired; the next request gets another";
  }
}

function showRequests() {
  const all = requests.all();
  if (all.length === 0) {
    requestsPlace.replaceChildren(h("p", { class: "empty" }, "None yet."));
    return;
  }
  requestsPlace.replaceChildren(
    h(
      "ol",
      { class: "requests" },
      all.map(({ method, path, status, refusal, note, at }) =>
        h(
          "li",
          { class: refusal ? "refused" : "accepted" },
          h(
            "p",
            { class: "request" },
            h("span", { class: "status" }, status === 0 ? "none" : String(status)),
            h("code", {}, `${method} ${path}`),
            h("time", { datetime: at.toISOString() }, at.toLocaleTimeString("en-GB")),
          ),
          note && h("p", { class: "hint" }, note),
          refusal && h("p", {}, refusal.what),
          refusal?.why && h("p", { class: "hint" }, "The server: ", h("q", {}, refusal.why)),
        ),
      ),
    ),
  );
}
