// The pages. Each is a function that returns its heading and content; what has to be loaded fills in later. The first
// page after a sign-in gets the answer of `/api/me`, which was just loaded.

import { announce, busy, button, confirm, h, toast } from "./dom.js";
import { exchange } from "./http.js";
import * as inspector from "./inspector.js";
import { call, credentials, session, signIn, signOutEverywhere, take } from "./session.js";
import { date, relative } from "./words.js";

export const pages = {
  "sign-in": { title: "Sign in", view: () => signInPage("/api/login"), open: true },
  register: { title: "Create an account", view: () => signInPage("/api/register"), open: true },
  profile: { title: "Profile", view: profilePage },
  sessions: { title: "Sessions", view: sessionsPage },
  password: { title: "Password", view: passwordPage },
  admin: { title: "Admin", view: adminPage },
  try: { title: "Experiments", view: experimentsPage },
};

// Sign-in and registration

function signInPage(path) {
  const registers = path === "/api/register";
  const form = h(
    "form",
    { class: "card", novalidate: true },
    h("div", { class: "problem-place" }),
    field("User name", "username", {
      autocomplete: "username", maxlength: 64, autocapitalize: "none", spellcheck: "false", required: true,
    }),
    passwordField("Password", "password", {
      autocomplete: registers ? "new-password" : "current-password",
      hint: registers ? "At least 8 characters. Spaces and all letters are welcome." : undefined,
    }),
    h(
      "fieldset",
      {},
      h("legend", {}, "Where this browser keeps the tokens"),
      choice(
        "refresh-cookie",
        "Memory and refresh cookie",
        "The page has the access token in memory and sends it in a header. A cookie that no script can read gets the next one.",
      ),
      choice("cookies", "Cookies", "Both tokens are in cookies that no script can read. Requests of other sites are refused."),
    ),
    h("button", { type: "submit", class: "primary" }, registers ? "Create the account" : "Sign in"),
    h(
      "p",
      { class: "hint" },
      registers
        ? ["You have an account? ", h("a", { href: "#sign-in" }, "Sign in"), "."]
        : ["New here? ", h("a", { href: "#register" }, "Create an account"), "."],
    ),
  );
  submits(form, async (values) => {
    if (!values.username.trim()) return problem(form, { what: "Enter a user name." }, "username");
    if (!values.password) return problem(form, { what: "Enter a password." }, "password");
    const answer = await signIn(path, values);
    if (!answer.ok) problem(form, answer.refusal, answer.refusal.error === "invalid_password" ? "password" : "username");
  });
  return [
    h("h1", { tabindex: "-1" }, registers ? "Create an account" : "Sign in"),
    h(
      "p",
      { class: "lead" },
      "The whole life of a token: watch it on the side while you sign in, refresh, and sign out.",
    ),
    form,
  ];
}

function choice(value, label, hint) {
  const id = `keep-${value}`;
  return h(
    "div",
    { class: "choice" },
    h("input", {
      type: "radio", name: "keep", id, value, checked: value === "refresh-cookie", "aria-describedby": `${id}-hint`,
    }),
    h("label", { for: id }, label),
    h("p", { class: "hint", id: `${id}-hint` }, hint),
  );
}

// Profile

function profilePage(me) {
  const place = h("div", { class: "card" });
  if (me) place.replaceChildren(facts(me));
  else load(place, "/api/me", facts);

  function facts(me) {
    inspector.show(me);
    return h(
      "dl",
      { class: "facts" },
      fact("User name", me.username),
      fact("Roles", me.roles.map((role) => h("span", { class: "chip" }, role))),
      fact("Tokens", session.accessToken ? "in memory and a refresh cookie" : "in cookies"),
      fact("User id", h("code", {}, me.sub)),
    );
  }

  return [
    h("h1", { tabindex: "-1" }, "Profile"),
    h("p", { class: "lead" }, "This is what the API knows of you. It has read it from the token of the request."),
    place,
  ];
}

const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

// Sessions

function sessionsPage() {
  const place = h("div", { class: "card" });
  const again = () => load(place, "/api/sessions", list);
  again();

  function list(sessions) {
    const own = sessions.filter((one) => one.current);
    const others = sessions.filter((one) => !one.current).sort((a, b) => b.last_seen.localeCompare(a.last_seen));
    return [
      h("ul", { class: "sessions" }, own.map(item)),
      h("h2", {}, "Other devices"),
      others.length === 0
        ? h("p", { class: "empty" }, "You are signed in nowhere else.")
        : h("ul", { class: "sessions" }, others.map(item)),
      h("div", { class: "row" }, button("Sign out everywhere", everywhere, { class: "danger" })),
    ];
  }

  function item({ id, device, created_at, last_seen, current }) {
    const seconds = (text) => Date.parse(text) / 1000;
    const name = device ?? "An unknown device";
    return h(
      "li",
      {},
      h(
        "div",
        {},
        h("strong", {}, name),
        current && h("span", { class: "chip" }, "this one"),
        h(
          "p",
          { class: "hint" },
          `Signed in ${date(seconds(created_at))}, last seen ${relative(seconds(last_seen))}.`,
        ),
      ),
      !current &&
        button("End", () => end(id, name), { "aria-label": `End the session of ${name}, signed in ${date(seconds(created_at))}` }),
    );
  }

  async function end(id, name) {
    const answer = await call("DELETE", `/api/sessions/${encodeURIComponent(id)}`);
    toast(answer.ok ? `The session of ${name} has ended.` : answer.refusal.what);
    await again();
    focusOn(document.querySelector("main h2"));
  }

  async function everywhere() {
    const sure = await confirm({
      title: "Sign out everywhere?",
      text: "All your sessions end at once, this one too.",
      action: "Sign out everywhere",
    });
    if (!sure) return;
    const answer = await signOutEverywhere();
    if (!answer.ok && session.isSignedIn) toast(answer.refusal.what);
  }

  return [
    h("h1", { tabindex: "-1" }, "Sessions"),
    h("p", { class: "lead" }, "Each sign-in is a session. A session that you end cannot do anything from then on."),
    place,
  ];
}

// Password

function passwordPage() {
  const form = h(
    "form",
    { class: "card", novalidate: true },
    h("div", { class: "problem-place" }),
    // Password managers want to know whose password this is.
    h("input", { type: "text", name: "username", autocomplete: "username", hidden: true, value: inspectorName() }),
    passwordField("Current password", "current", { autocomplete: "current-password" }),
    passwordField("New password", "new", {
      autocomplete: "new-password", hint: "At least 8 characters. Spaces and all letters are welcome.",
    }),
    h("button", { type: "submit", class: "primary" }, "Change the password"),
  );
  submits(form, async (values) => {
    if (!values.current) return problem(form, { what: "Enter the current password." }, "current");
    if (!values.new) return problem(form, { what: "Enter a new password." }, "new");
    const answer = await call("POST", "/api/password", { current: values.current, new: values.new });
    if (!answer.ok) {
      return problem(form, answer.refusal, answer.refusal.error === "invalid_password" ? "new" : "current");
    }
    form.reset();
    success(form, "The password is changed. All your other sessions have ended.");
  });
  return [
    h("h1", { tabindex: "-1" }, "Password"),
    h("p", { class: "lead" }, "With another password, all your other sessions end. This one stays."),
    form,
  ];
}

const inspectorName = () => document.getElementById("account").dataset.name ?? "";

// Admin

function adminPage() {
  const place = h("div", { class: "card" });
  const again = () => load(place, "/api/admin", list, refused);
  again();

  function list({ users }) {
    return h(
      "div",
      { class: "scrolls", tabindex: "0", role: "region", "aria-label": "Users" },
      h(
        "table",
        { class: "users" },
        h("caption", { class: "unseen" }, "Users"),
        h("thead", {}, h("tr", {}, ["Name", "Roles", "Since", ""].map((name) => h(name ? "th" : "td", name ? { scope: "col" } : {}, name)))),
        h("tbody", {}, users.map(row)),
      ),
    );
  }

  function row({ id, username, roles, created_at }) {
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, username),
      h("td", {}, roles.map((role) => h("span", { class: "chip" }, role))),
      h("td", {}, date(created_at)),
      h("td", {}, button("End sessions", () => end(id, username), { "aria-label": `End all sessions of ${username}` })),
    );
  }

  async function end(id, username) {
    const answer = await call("POST", `/api/admin/users/${encodeURIComponent(id)}/end-sessions`);
    toast(answer.ok ? `All sessions of ${username} have ended.` : answer.refusal.what);
  }

  function refused({ what, why }) {
    return h(
      "div",
      { class: "notice warning" },
      h("p", {}, h("strong", {}, "This page is for admins. "), what),
      why && h("p", { class: "hint" }, "The server: ", h("q", {}, why)),
      h("p", { class: "hint" }, "Sign in as a user with the role admin to see it."),
    );
  }

  return [
    h("h1", { tabindex: "-1" }, "Admin"),
    h("p", { class: "lead" }, "All users of this server. Only a token with the role admin gets this list."),
    place,
  ];
}

// Experiments

function experimentsPage() {
  const inMemory = session.accessToken !== undefined;
  const forged = () => {
    const token = session.accessToken ?? "eyJhbGciOiJub25lIn0.e30.";
    const [header, payload, signature] = token.split(".");
    const letter = signature?.[0] === "A" ? "B" : "A";
    return [header, payload, letter + (signature ?? "").slice(1)].join(".");
  };
  return [
    h("h1", { tabindex: "-1" }, "Experiments"),
    h("p", { class: "lead" }, "Try what an attacker would, and read why it fails."),
    experiment("Send no token", "A request to the API without any credentials.", () => exchange("GET", "/api/me")),
    inMemory
      ? experiment("Change one letter", "The same token with another first letter in its signature.", () =>
          exchange("GET", "/api/me", { token: forged() }))
      : experiment("Send a second token", "A made-up token in the header, beside the good one in the cookie.", () =>
          exchange("GET", "/api/me", { token: forged(), cookies: true })),
    experiment("Ask for the admin page", "With the token as it is.", () => call("GET", "/api/admin")),
    experiment(
      "Refresh twice at once",
      "Two tabs may do that, or a client whose answer was lost. Both get the same new tokens.",
      async () => {
        const both = await Promise.all([0, 1].map(() => exchange("POST", "/api/refresh", credentials({ refresh: true }))));
        if (!both.every((answer) => answer.ok)) return both.find((answer) => !answer.ok);
        take(both[1].body);
        return { ...both[1], said: "Both were answered." };
      },
    ),
    experiment(
      "Read the tokens",
      "As a script that was injected into this page would: it reads the cookies that it can, and asks for new tokens.",
      async () => {
        const answer = await exchange("POST", "/api/refresh", credentials({ refresh: true }));
        if (!answer.ok) return answer;
        take(answer.body);
        const cookies = document.cookie.split("; ").map((pair) => pair.split("=")[0]);
        const members = Object.keys(answer.body);
        return { ...answer, said: `It sees the cookie ${cookies.join(", ")}, and in the answer: ${members.join(", ")}.` };
      },
    ),
  ];
}

function experiment(title, text, work) {
  const output = h("div", { role: "status" });
  return h(
    "section",
    { class: "card experiment" },
    h("h2", {}, title),
    h("p", { class: "hint" }, text),
    button("Try it", async () => {
      const { status, ok, refusal, said } = await work();
      output.replaceChildren(
        h(
          "div",
          { class: ok ? "notice" : "notice warning" },
          h("p", {}, h("strong", {}, `${status === 0 ? "No answer" : status}. `), ok ? said ?? "The request was accepted." : refusal.what),
          refusal?.why && h("p", { class: "hint" }, "The server: ", h("q", {}, refusal.why)),
        ),
      );
    }, { "aria-label": `Try it: ${title}` }),
    output,
  );
}

// Parts of pages

function field(label, name, { hint, ...properties } = {}) {
  const id = `field-${name}`;
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    h("input", { id, name, type: "text", "aria-describedby": hint && `${id}-hint`, ...properties }),
    hint && h("p", { class: "hint", id: `${id}-hint` }, hint),
  );
}

function passwordField(label, name, properties) {
  const place = field(label, name, { type: "password", required: true, ...properties });
  const input = place.querySelector("input");
  const toggle = h("button", { type: "button", class: "reveal", "aria-pressed": "false", "aria-label": `Show: ${label}` }, "Show");
  toggle.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    toggle.setAttribute("aria-pressed", String(shown));
    toggle.textContent = shown ? "Hide" : "Show";
  });
  const line = h("div", { class: "with-button" });
  input.replaceWith(line);
  line.append(input, toggle);
  return place;
}

function submits(form, work) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    form.querySelector(".problem-place").replaceChildren();
    form.querySelectorAll("[aria-invalid]").forEach((input) => input.removeAttribute("aria-invalid"));
    busy(form.querySelector("[type=submit]"), () => work(Object.fromEntries(new FormData(form))));
  });
}

function problem(form, { what, why }, name) {
  form.querySelector(".problem-place").replaceChildren(
    h("div", { class: "notice problem", role: "alert" }, h("p", {}, what), why && h("p", { class: "hint" }, "The server: ", h("q", {}, why))),
  );
  const input = form.elements[name];
  input.setAttribute("aria-invalid", "true");
  input.focus();
}

function success(form, text) {
  form.querySelector(".problem-place").replaceChildren(h("div", { class: "notice", role: "status" }, h("p", {}, text)));
}

/** Fills a place with what a path answers: a state for loading, one for errors with another try, and the content. */
async function load(place, path, content, refused) {
  place.setAttribute("aria-busy", "true");
  if (!place.hasChildNodes()) place.replaceChildren(h("p", { class: "loading" }, "Loading"));
  const answer = await call("GET", path);
  place.removeAttribute("aria-busy");
  if (answer.ok) {
    place.replaceChildren(...[content(answer.body)].flat());
  } else if (answer.status === 403 && refused) {
    place.replaceChildren(refused(answer.refusal));
    announce(answer.refusal.what);
  } else {
    const { what, why } = answer.refusal;
    place.replaceChildren(
      h(
        "div",
        { class: "notice problem", role: "alert" },
        h("p", {}, what),
        why && h("p", { class: "hint" }, "The server: ", h("q", {}, why)),
        button("Try again", () => load(place, path, content, refused)),
      ),
    );
  }
}

export function focusOn(element) {
  if (!element) return;
  element.tabIndex = -1;
  element.focus();
}
