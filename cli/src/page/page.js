"use strict";

// Everything of a token is inserted as text. Tokens go to the own origin by POST and are kept nowhere.

const $ = (id) => document.getElementById(id);
const state = { token: "", report: null, skew: 0, inspecting: null, verifying: null, timer: 0, notes: [], provider: null };

// The example of RFC 7519 §3.1, and its key in base64url would be that of RFC 7515 §A.1.
const EXAMPLE =
  "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const PARTS = { 3: ["Header", "Claims", "Signature"], 5: ["Header", "Encrypted key", "Initialisation vector", "Ciphertext", "Tag"] };
// Colours by part: those of a signed token, and five for an encrypted one.
const COLOURS = { 3: [0, 1, 2], 5: [0, 3, 4, 1, 2] };

/** A number that JavaScript would round: shown as the token has it. */
class Exact {
  constructor(source) {
    this.source = source;
  }
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Escapes characters that are not seen or change the direction of text. */
function visible(text) {
  return String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u00ad\u061c\u180e\u3164\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

// Requests

async function ask(path, body, signal, headers = { "Content-Type": "application/json" }) {
  let answer;
  try {
    answer = await fetch(path, { method: "POST", headers, body, signal, cache: "no-store", credentials: "omit", redirect: "error", referrerPolicy: "no-referrer" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The program does not answer. Is bearer still running?");
  }
  const text = await answer.text();
  const json = readJson(text);
  if (json === undefined) throw new Error(`The program has answered with status ${answer.status} and no JSON.`);
  if (!answer.ok) {
    const problem = new Error(json.error_description ?? `The program has answered with status ${answer.status}.`);
    problem.answer = json;
    problem.status = answer.status;
    throw problem;
  }
  return json;
}

function readJson(text) {
  try {
    return JSON.parse(text, (_, value, context) =>
      typeof value === "number" && context?.source && String(value) !== context.source ? new Exact(context.source) : value,
    );
  } catch {
    return undefined;
  }
}

function fail(error, retry) {
  if (error.name === "AbortError") return;
  const box = $("failure");
  box.replaceChildren(visible(error.message));
  if (retry) {
    const again = element("button", { type: "button" }, "Try again");
    again.addEventListener("click", retry);
    box.append(again);
  }
  box.hidden = false;
}

// The token

/** Returns the token in what people copy: with its field name, its scheme, quotes, or line breaks in it. */
function bare(text) {
  return text
    .trim()
    .replace(/^authorization:\s*/i, "")
    .replace(/^bearer\s+/i, "")
    .replace(/^["'`]+|["'`]+$/g, "")
    .replace(/\s+/g, "");
}

function tokenChanged() {
  const token = bare($("token").value);
  if (token === state.token) return;
  state.token = token;
  forgetVerdict();
  showParts(token);
  $("clear").hidden = token === "";
  $("example").hidden = token !== "";
  clearTimeout(state.timer);
  state.inspecting?.abort();
  if (token === "") {
    state.report = null;
    $("contents").hidden = true;
    $("token-state").textContent = "";
    return;
  }
  // The report on the token before stays until the next one is here, and is seen to be old.
  $("contents").classList.add("is-old");
  state.timer = setTimeout(inspect, 120);
}

function showParts(token) {
  const texts = token.split(".");
  const names = PARTS[texts.length];
  $("parts").replaceChildren();
  texts.forEach((text, index) => {
    if (index > 0) $("parts").append(element("span", { class: "dot" }, "."));
    $("parts").append(element("span", { class: names ? `c${COLOURS[texts.length][index]}` : "" }, visible(text)));
  });
  $("legend").replaceChildren(
    ...(names ?? []).map((name, index) => {
      const colour = `c${COLOURS[texts.length][index]}`;
      const size = texts[index].length === 0 ? "empty" : `${texts[index].length} chars`;
      return element("li", {}, element("i", { class: colour, "aria-hidden": "true" }), element("span", { class: colour }, name), element("span", { class: "quiet" }, size));
    }),
  );
  $("parts").hidden = token === "";
  $("legend").hidden = !names;
  $("parts-empty").hidden = token !== "";
}

async function inspect() {
  const controller = new AbortController();
  state.inspecting = controller;
  document.querySelector("main").setAttribute("aria-busy", "true");
  try {
    const report = await ask("/api/inspect", JSON.stringify({ token: state.token }), controller.signal);
    $("failure").hidden = true;
    state.report = report;
    state.skew = Number(report.times?.now ?? 0) - Date.now() / 1000;
    showReport(report);
  } catch (error) {
    if (error.name === "AbortError") return;
    state.report = null;
    $("contents").hidden = true;
    $("token-state").textContent = "";
    fail(error, inspect);
  } finally {
    if (state.inspecting === controller) document.querySelector("main").removeAttribute("aria-busy");
  }
}

function showReport(report) {
  $("token-state").textContent = report.problem ? visible(report.problem) : "";
  const isReadable = report.form !== "unreadable" || report.header || report.claims;
  $("contents").hidden = !isReadable;
  $("contents").classList.remove("is-old");
  if (!isReadable) return;
  state.notes = [];
  showFacts(report);
  showMembers("header", report.header, report.explained);
  showMembers("claims", report.claims, report.explained);
  for (const [id, name] of [["issuer", "iss"], ["audience", "aud"]]) {
    const own = report.claims?.[name];
    const text = Array.isArray(own) ? own[0] : own;
    $(id).placeholder = typeof text === "string" ? visible(text) : "";
  }
  tick();
}

function showFacts(report) {
  const kind = { jws: "Signed (JWS)", jwe: "Encrypted (JWE)", api_key: "API key" }[report.form] ?? "Not readable";
  const fact = (name, ...values) => element("li", {}, element("b", {}, name), ...values);
  const chips = (list) => list.map((item) => element("code", { class: "chip" }, visible(typeof item === "string" ? item : JSON.stringify(item))));
  const text = (value) => (value === undefined || value === null ? null : element("code", {}, visible(typeof value === "string" ? value : JSON.stringify(value))));
  const facts = [fact("Form", kind)];
  if (text(report.header?.alg)) facts.push(fact("Algorithm", text(report.header.alg)));
  if (text(report.header?.kid)) facts.push(fact("Key id", text(report.header.kid)));
  facts.push(fact("Size", `${report.bytes} bytes`));
  if (report.roles?.length) facts.push(fact("Roles", ...chips(report.roles)));
  if (report.scopes?.length) facts.push(fact("Scopes", ...chips(report.scopes)));
  $("facts").replaceChildren(...facts);
  $("unusual").replaceChildren(...(report.unusual ?? []).map((words) => element("li", {}, visible(words))));
  $("unusual").hidden = !report.unusual?.length;
}

function showMembers(part, members, explained) {
  const list = $(part);
  const card = $(`${part}-card`);
  card.hidden = !members;
  list.replaceChildren();
  for (const [name, value] of Object.entries(members ?? {})) {
    const known = explained?.find((entry) => entry.part === part && entry.name === name);
    const meaning = known?.meaning
      ? element("dd", { class: "meaning" }, visible(known.meaning), known.note ? note(known.note, value) : null)
      : element("dd", { class: "meaning" }, "A name of the application or the provider");
    list.append(
      element("div", { class: "member" }, element("dt", {}, element("bdi", {}, visible(JSON.stringify(name)))), element("dd", { class: "value" }, ...json(value)), meaning),
    );
  }
  if (members && Object.keys(members).length === 0) list.append(element("div", { class: "member" }, element("dt", {}, "{}"), element("dd", { class: "value" }, "No members")));
}

/** Returns the note on a member. If it says how long ago a date is, it goes on saying so. */
function note(text, value) {
  const shown = element("span", { class: "note" }, visible(text));
  const words = typeof value === "number" ? relative(Math.floor(value), Number(state.report.times?.now)) : "";
  const at = text.lastIndexOf(words);
  if (words && at >= 0) {
    const [before, after] = [text.slice(0, at), text.slice(at + words.length)];
    state.notes.push((now) => (shown.textContent = visible(before + relative(Math.floor(value), now) + after)));
  }
  return shown;
}

/** Returns nodes that write a value as JSON, with colours. */
function json(value, indent = "") {
  if (value instanceof Exact) return [element("span", { class: "number" }, value.source)];
  if (typeof value === "string") return [element("bdi", { class: "string" }, visible(JSON.stringify(value)))];
  if (typeof value === "number") return [element("span", { class: "number" }, String(value))];
  if (value === null || typeof value === "boolean") return [element("span", { class: "word" }, String(value))];
  const isList = Array.isArray(value);
  const entries = Object.entries(value);
  const [open, close] = isList ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0) return [open + close];
  const isShort = isList && value.every((item) => item === null || typeof item !== "object") && JSON.stringify(value).length < 48;
  const inner = `${indent}  `;
  const nodes = [open];
  entries.forEach(([name, item], index) => {
    nodes.push(isShort ? (index ? " " : "") : `\n${inner}`);
    if (!isList) nodes.push(element("bdi", { class: "name" }, visible(JSON.stringify(name))), ": ");
    nodes.push(...json(item, inner));
    if (index < entries.length - 1) nodes.push(",");
  });
  nodes.push(isShort ? close : `\n${indent}${close}`);
  return nodes;
}

// Dates

function span(seconds) {
  const units = [["year", 31536000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const first = units.findIndex(([, length]) => seconds >= length);
  if (first < 0) return "less than a second";
  const words = [];
  for (const [unit, length] of units.slice(first, first + 2)) {
    const count = Math.floor(seconds / length);
    seconds -= count * length;
    if (count > 0) words.push(`${count} ${unit}${count === 1 ? "" : "s"}`);
  }
  return words.join(" ");
}

function relative(date, now) {
  const difference = Math.round(date - now);
  if (difference === 0) return "now";
  return difference > 0 ? `in ${span(difference)}` : `${span(-difference)} ago`;
}

function absolute(seconds) {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds} seconds since 1970` : date.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
}

function tick() {
  if (!state.report || $("contents").hidden) return;
  const times = state.report.times ?? {};
  const number = (value) => (value === null || value === undefined ? null : Number(value instanceof Exact ? value.source : value));
  const [issued, notBefore, expires] = [times.issued_at, times.not_before, times.expires_at].map(number);
  const known = [issued, notBefore, expires].filter((date) => date !== null);
  const now = Math.floor(Date.now() / 1000 + state.skew);
  state.notes.forEach((update) => update(now));
  $("times").hidden = known.length === 0;
  if (known.length === 0) return;
  const start = issued ?? notBefore ?? Math.min(now, expires);
  const isOver = expires !== null && now >= expires;
  const isAhead = notBefore !== null && now < notBefore;

  const sentence = $("times-sentence");
  if (isOver) sentence.textContent = `Expired ${relative(expires, now)}`;
  else if (isAhead) sentence.textContent = `Not valid yet: it begins ${relative(notBefore, now)}`;
  else if (expires === null) sentence.textContent = "It never expires";
  else sentence.textContent = `Expires ${relative(expires, now)}`;
  sentence.className = `times-sentence ${isOver || isAhead ? "bad" : "good"}`;

  const from = Math.min(start, now);
  const to = Math.max(expires ?? start, now, from + 1);
  const place = (date) => `${Math.min(100, Math.max(0, (100 * (date - from)) / (to - from))).toFixed(2)}%`;
  $("line").className = `line${isOver ? " over" : ""}${expires === null ? " open" : ""}`;
  $("line").setAttribute("aria-label", `A line from ${absolute(from)} to ${absolute(to)}. ${sentence.textContent}.`);
  $("line-valid").style.setProperty("--from", place(notBefore ?? start));
  $("line-valid").style.setProperty("--to", place(expires ?? to));
  $("line-start").style.setProperty("--at", place(start));
  $("line-end").style.setProperty("--at", place(expires ?? to));
  $("line-end").hidden = expires === null;
  $("line-now").style.setProperty("--at", place(now));

  const dates = [["Issued", issued], ["Not before", notBefore], ["Now", now], ["Expires", expires]];
  $("dates").replaceChildren(
    ...dates
      .filter(([, date]) => date !== null)
      .sort(([, one], [, other]) => one - other)
      .map(([name, date]) => element("div", {}, element("dt", {}, name), element("dd", {}, absolute(date), ...(name === "Now" ? [] : [element("br"), element("span", { class: "quiet" }, relative(date, now))])))),
  );
}

// The verdict

function chosen() {
  return document.querySelector('input[name="keys"]:checked').value;
}

function showChoice() {
  const choice = chosen();
  for (const panel of document.querySelectorAll("[data-keys]")) panel.hidden = panel.dataset.keys !== choice;
}

function forgetVerdict() {
  state.verifying?.abort();
  state.verifying = null;
  $("verdict").className = "verdict";
  $("verdict").replaceChildren(element("p", { class: "empty" }, "The verdict will stand here. Until then, nothing in this token is to be trusted."));
  $("checks").hidden = true;
  $("badge").className = "badge";
  $("badge").textContent = "Not verified";
  busy(false);
}

function busy(isBusy) {
  $("submit").setAttribute("aria-busy", String(isBusy));
  $("submit").textContent = isBusy ? "Verifying…" : "Verify";
}

async function verify() {
  if (!state.token) return;
  forgetVerdict();
  const choice = chosen();
  const value = choice === "issuer" ? true : $(choice).value;
  if (value !== true && value.trim() === "") {
    showUnusable("There are no keys to verify with", `Fill in the field “${document.querySelector(`label[for="${choice}"]`).textContent}”.`);
    $(choice).focus();
    return;
  }
  const filled = (id) => $(id).value.trim() || null;
  const question = { token: state.token, issuer: filled("issuer"), audience: filled("audience"), keys: { [choice]: value }, preset: null };
  const controller = new AbortController();
  state.verifying = controller;
  busy(true);
  const isFetched = choice === "issuer" || choice === "url";
  $("verdict").replaceChildren(element("p", { class: "empty" }, isFetched ? "The program fetches the keys…" : "Verifying…"));
  try {
    const report = await ask("/api/explain", JSON.stringify(question), controller.signal);
    $("failure").hidden = true;
    showVerdict(report);
  } catch (error) {
    if (error.status === 422) showUnusable(error.message, error.answer.hint);
    else if (error.name !== "AbortError") {
      forgetVerdict();
      fail(error, verify);
    }
  } finally {
    if (state.verifying === controller) busy(false);
  }
}

function sentenceOf(words) {
  const text = visible(words);
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");
}

function showUnusable(problem, hint) {
  $("verdict").className = "verdict unusable";
  $("verdict").replaceChildren(element("h3", {}, "Not verified"), element("p", {}, sentenceOf(problem)), hint ? element("p", {}, sentenceOf(hint)) : "");
}

function showVerdict(report) {
  const assumed = report.assumed ?? [];
  const isByItsOwnWord = report.verdict === "accepted" && assumed.length > 0;
  const verdict = isByItsOwnWord ? "undecided" : report.verdict;
  const title = isByItsOwnWord ? "Good by its own word" : ({ accepted: "Accepted", refused: "Refused", undecided: "Undecided" }[verdict] ?? "Undecided");
  const codes = [report.status, report.reason].filter((code) => code !== null && code !== undefined).join(" ");
  const nodes = [element("h3", {}, title, codes ? element("small", {}, visible(codes)) : null), element("p", {}, sentenceOf(report.sentence))];
  if (assumed.length) {
    const taken = assumed.join(" and ");
    nodes.push(element("p", {}, `The ${taken} was taken from the token itself, so this does not say that an API accepts it: name the ${taken} that the API expects.`));
  }
  if (report.change) {
    const side = { token: "of the token", request: "of the request", verifier: "of this API's settings", server: "of the server" }[report.change.side] ?? "";
    nodes.push(element("p", { class: "change" }, element("b", {}, `The smallest change ${side}: `), visible(report.change.sentence)));
    if (report.change.edits?.length) nodes.push(element("ul", {}, ...report.change.edits.map((edit) => element("li", {}, ...words(edit)))));
  }
  $("verdict").className = `verdict ${verdict}`;
  $("verdict").replaceChildren(...nodes);
  $("badge").className = `badge ${verdict}`;
  $("badge").textContent = title;
  const icons = { passed: "✓", failed: "✕", skipped: "–", unknown: "?" };
  $("checks").replaceChildren(
    ...(report.checks ?? []).map((check) =>
      element(
        "li",
        { class: check.outcome },
        element("span", { class: "icon", "aria-hidden": "true" }, icons[check.outcome] ?? "?"),
        element("span", { class: "title" }, visible(check.title)),
        element("span", { class: "outcome" }, check.outcome),
        check.detail ? element("span", { class: "detail" }, visible(check.detail)) : null,
      ),
    ),
  );
  $("checks").hidden = !report.checks?.length;
}

/** Says an edit in words. */
function words(edit) {
  const code = (text) => element("code", {}, visible(text));
  const [kind, what] = Object.entries(edit)[0] ?? ["", ""];
  switch (kind) {
    case "set_claim":
      return ["Set the claim ", code(what.name), " to ", element("code", {}, ...json(what.value))];
    case "remove_claim":
      return ["Remove the claim ", code(what)];
    case "set_header":
      return ["Set ", code(what.name), " of the header to ", element("code", {}, ...json(what.value))];
    case "remove_header":
      return ["Remove ", code(what), " from the header"];
    case "sign_with":
      return ["Sign with ", code(what.algorithm), ...(what.key_id ? [" and the key ", code(what.key_id)] : [])];
    default:
      return [code(JSON.stringify(edit))];
  }
}

// The provider

async function showProvider() {
  let about;
  try {
    const answer = await fetch("/api/page", { cache: "no-store", credentials: "omit" });
    about = await answer.json();
  } catch {
    return;
  }
  if (!about.provider) return;
  state.provider = about.provider;
  const { issuer, users, faults, fault } = about.provider;
  $("provider-issuer").textContent = visible(issuer);
  for (const user of users) {
    const grants = [...user.roles, ...user.scopes].join(", ");
    const button = element("button", { type: "button" }, `Token for ${visible(user.name)}`, grants ? element("small", {}, visible(grants)) : null);
    button.addEventListener("click", () => attempt(() => takeToken(user.name)));
    $("provider-users").append(button);
  }
  $("fault").append(element("option", { value: "" }, "None"), ...faults.map(({ name }) => element("option", { value: name }, name)));
  $("fault").value = fault ?? "";
  $("provider").hidden = false;
}

async function attempt(action) {
  try {
    const words = await action();
    $("failure").hidden = true;
    $("provider-state").textContent = visible(words);
  } catch (error) {
    if (error.status) $("provider-state").textContent = sentenceOf(error.message);
    else fail(error);
  }
}

async function takeToken(user) {
  const { issuer, audiences, grant } = state.provider;
  const form = new URLSearchParams({ grant_type: grant, user });
  const answer = await ask("/token", form.toString(), undefined, { "Content-Type": "application/x-www-form-urlencoded" });
  $("issuer").value = issuer;
  $("audience").value = audiences[0];
  $("token").value = answer.access_token;
  tokenChanged();
  return `A token for ${user}, which expires in ${span(answer.expires_in)}.`;
}

async function rotate() {
  const { keys } = await ask("/rotate", "");
  return `The key ${keys[0].key_id} signs now. ${keys.length} keys are published.`;
}

async function setFault() {
  const fault = $("fault").value;
  if (!fault) {
    await ask("/heal", "");
    return "There is no fault.";
  }
  const { sentence } = await ask("/fault", JSON.stringify({ fault }));
  return sentenceOf(sentence);
}

// Events

$("token").addEventListener("input", tokenChanged);
$("clear").addEventListener("click", () => {
  $("token").value = "";
  tokenChanged();
  $("token").focus();
});
$("example").addEventListener("click", () => {
  $("token").value = EXAMPLE;
  tokenChanged();
  $("token").focus();
});
$("verify").addEventListener("submit", (event) => {
  event.preventDefault();
  verify();
});
$("verify").addEventListener("input", forgetVerdict);
$("verify").addEventListener("change", showChoice);
$("reveal").addEventListener("click", () => {
  const isShown = $("secret").type === "password";
  $("secret").type = isShown ? "text" : "password";
  $("reveal").setAttribute("aria-pressed", String(isShown));
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !$("contents").hidden) {
    event.preventDefault();
    verify();
  }
});
$("rotate").addEventListener("click", () => attempt(rotate));
$("fault").addEventListener("change", () => attempt(setFault));
setInterval(tick, 1000);
// A browser may bring the text of a field back.
$("verify").reset();
$("token").value = "";
showChoice();
showProvider();
