// Shows the page that the address names, as far as the user is signed in.

import { announce, button, h, toast } from "./dom.js";
import * as inspector from "./inspector.js";
import { call, restore, session, signOut } from "./session.js";
import { focusOn, pages } from "./views.js";
import { decode } from "./words.js";

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const account = document.getElementById("account");

/** A sentence to show above the next page. */
let notice;
let user;

async function start() {
  inspector.start();
  session.onChange(({ reason }) => (notice = reason));
  await restore();
  await loadUser();
  session.onChange(follow);
  addEventListener("hashchange", () => show({ moved: true }));
  show({ moved: false, me: user });
}

/** The reason why it is not known who is signed in, if a server should know. */
let trouble;

/** Finds out who is signed in. Also for tokens in cookies, about which only the server knows. */
async function loadUser() {
  const answer = session.isSignedIn ? await call("GET", "/api/me") : undefined;
  user = answer?.ok ? answer.body : undefined;
  trouble = session.isSignedIn && !user ? answer?.refusal : undefined;
  if (user) inspector.show(user);
}

/** Follows a sign-in, a sign-out or a refresh, of this tab or another. */
async function follow({ isSignedIn, reason }) {
  if (!isSignedIn) {
    if (!user && !trouble && !reason) return;
    user = trouble = undefined;
    show({ moved: true });
    return;
  }
  const before = user?.claims.sid;
  // A refresh changes nothing but dates, and those are in the token if a script can read it.
  if (before && session.accessToken && decode(session.accessToken).claims.sid === before) return;
  loading ??= loadUser().finally(() => (loading = undefined));
  await loading;
  if (user?.claims.sid !== before || trouble) show({ moved: true, me: user });
}

let loading;

function show({ moved, me }) {
  if (trouble) return showTrouble();
  const name = location.hash.slice(1);
  const isSignedIn = user !== undefined;
  const known = Object.hasOwn(pages, name) && (pages[name].open ?? false) !== isSignedIn;
  const page = known ? name : isSignedIn ? "profile" : "sign-in";
  if (name !== page) history.replaceState(null, "", `#${page}`);
  showBar(page);
  document.title = `${pages[page].title} · Front Door`;
  const parts = pages[page].view(me);
  if (notice) {
    parts.splice(1, 0, h("p", { class: "notice" }, notice));
    announce(notice);
    notice = undefined;
  }
  main.replaceChildren(...parts);
  if (moved) {
    // Screen readers then say where they are.
    focusOn(main.querySelector("h1"));
    scrollTo(0, 0);
  }
}

function showTrouble() {
  showBar();
  main.replaceChildren(
    h("h1", { tabindex: "-1" }, "No answer"),
    h("div", { class: "notice problem", role: "alert" }, h("p", {}, trouble.what)),
    h("div", { class: "row" }, button("Try again", async () => {
      await loadUser();
      show({ moved: true, me: user });
    })),
  );
}

function showBar(page) {
  nav.hidden = account.hidden = user === undefined;
  account.dataset.name = user?.username ?? "";
  if (!user) return;
  const links = Object.entries(pages).filter(([, { open }]) => !open);
  nav.replaceChildren(
    h(
      "ul",
      {},
      links.map(([name, { title }]) =>
        h("li", {}, h("a", { href: `#${name}`, "aria-current": name === page && "page" }, title)),
      ),
    ),
  );
  account.replaceChildren(
    h("span", { class: "who" }, h("span", { class: "unseen" }, "Signed in as "), user.username),
    button("Sign out", async () => {
      const answer = await signOut();
      if (session.isSignedIn) toast(answer.refusal?.what ?? "You are still signed in.");
    }),
  );
}

start();
