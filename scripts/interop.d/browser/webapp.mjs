// Clicks through examples/webapp in a real browser: `webapp.mjs <url> <url of one with ACCESS_LIFETIME=2> [<directory>]`.
//
// Screenshots are left in the directory.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { launch } from "./launch.mjs";

const [url, shortUrl, directory] = process.argv.slice(2);
const LIFETIME = 2_000;

// The two ways of the page, and the cookie that has the refresh token.
const WAYS = {
  memory: { label: "Memory and refresh cookie", shown: "in memory and a refresh cookie", cookie: "refresh-only" },
  cookies: { label: "Cookies", shown: "in cookies", cookie: "refresh" },
};

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core"), "utf8");
const browser = await launch();
const attacker = await serveAttacker();
const errors = [];
let users = 0;
try {
  for (const keep of Object.keys(WAYS)) {
    for (const [name, check] of Object.entries({
      registers,
      isRefusedTheAdminPage,
      seesWhyTheSignInFailed,
      isRefreshedUnseen,
      refreshesInTwoTabsAtOnce,
      signsOutInAllTabs,
      endsAnotherSession,
      changesThePassword,
      sendsATamperedToken,
      isAttackedByAnotherSite,
      losesARefreshToken,
    })) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
      context.setDefaultTimeout(20_000);
      try {
        await check(context, keep);
      } catch (error) {
        throw new Error(`${name}, tokens in ${keep}: ${error.message}`, { cause: error });
      } finally {
        await context.close();
      }
      console.log(`${keep}: ${name}`);
    }
  }
  await reads();
  if (directory) await takeScreenshots();
  assert.deepEqual(errors, []);
} finally {
  attacker.close();
  await browser.close();
}

async function registers(context, keep) {
  const page = await open(context, url);
  await page.getByRole("link", { name: "Create an account" }).click();
  const name = `Zoë ${keep} ${Date.now()}`;

  await fill(page, name, "short", keep);
  await page.getByRole("button", { name: "Create the account" }).click();
  await page.getByRole("alert").getByText("This password cannot be used").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.name), "password");

  await fill(page, name, "correct horse", keep);
  await page.getByRole("button", { name: "Create the account" }).click();
  await heading(page, "Profile");
  await page.getByRole("main").getByText(name).waitFor();
  await page.getByRole("main").getByText(WAYS[keep].shown).waitFor();
  await page.locator("#token").getByText("preferred_username").waitFor();

  await signOut(page);
  await page.getByRole("link", { name: "Create an account" }).click();
  await fill(page, name.toUpperCase(), "correct horse", keep);
  await page.getByRole("button", { name: "Create the account" }).click();
  await page.getByRole("alert").getByText("This user name is taken").waitFor();
}

async function isRefusedTheAdminPage(context, keep) {
  const page = await open(context, url);
  await signIn(page, "alice", keep);
  await go(page, "Admin");
  await page.getByText("This page is for admins").waitFor();
  assert.match(await lastRequest(page), /403.*GET \/api\/admin.*does not grant/s);

  await signOut(page);
  await signIn(page, "admin", keep);
  await go(page, "Admin");
  await page.getByRole("row", { name: /alice/ }).waitFor();
  await page.getByRole("button", { name: "End all sessions of alice" }).click();
  await page.getByRole("status").getByText("All sessions of alice have ended").waitFor();
}

async function seesWhyTheSignInFailed(context, keep) {
  const page = await open(context, url);
  await fill(page, "alice", "not the password", keep);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("is not right").first().waitFor();
  assert.match(await lastRequest(page), /401.*POST \/api\/login.*The server:/s);
  // Nothing was sent yet by the page that says so.
  assert.deepEqual(await context.cookies(), []);
}

async function isRefreshedUnseen(context, keep) {
  const page = await open(context, shortUrl);
  await signIn(page, "alice", keep);
  const before = refreshes(context);
  await page.waitForTimeout(LIFETIME + 500);

  await go(page, "Sessions");
  await page.getByText("this one").waitFor();
  assert.equal(before.count, 1);
  const requests = await page.locator("#requests").innerText();
  assert.match(requests, /200[^]*GET \/api\/sessions[^]*after a refresh[^]*POST \/api\/refresh[^]*401[^]*GET \/api\/sessions/);

  // A reload finds the session again, and gets an access token if it was in memory.
  await page.reload();
  await heading(page, "Sessions");
  await page.getByText("this one").waitFor();
  await page.locator("#token").getByText(keep === "memory" ? "in memory" : "in a cookie", { exact: true }).waitFor();
  assert.equal(before.count, 2);
  assert.ok(!(await page.locator("#requests").innerText()).includes("401"));
}

async function refreshesInTwoTabsAtOnce(context, keep) {
  const one = await open(context, shortUrl);
  await signIn(one, "alice", keep);
  const two = await open(context, shortUrl);
  // It has asked for an access token of its own.
  await heading(two, "Profile");
  const counted = refreshes(context);

  for (let round = 1; round <= 3; round += 1) {
    await one.waitForTimeout(LIFETIME + 300);
    await Promise.all([one, two].map((page) => go(page, round % 2 ? "Sessions" : "Profile")));
    const seen = round % 2 ? "this one" : "User id";
    await Promise.all([one, two].map((page) => page.getByRole("main").getByText(seen).waitFor()));
  }
  // Each round needs one. A message to the other tab may come late, and the server answers both then.
  assert.ok(counted.count >= 3 && counted.count <= 6, `${counted.count} refreshes`);
}

async function signsOutInAllTabs(context, keep) {
  const one = await open(context, url);
  await signIn(one, "alice", keep);
  const two = await open(context, url);
  await heading(two, "Profile");

  await signOut(one);
  await heading(two, "Sign in");
  await two.getByText("You have signed out in another tab").first().waitFor();
  assert.deepEqual(await context.cookies(), []);

  await two.reload();
  await heading(two, "Sign in");
}

async function endsAnotherSession(context, keep) {
  const name = await newUser("correct horse");
  const other = await newSession(name, "correct horse", "Phone");
  const page = await open(context, url);
  await signIn(page, name, keep, "correct horse");
  await go(page, "Sessions");
  await page.getByRole("button", { name: "End the session of Phone" }).first().click();
  await page.getByText("You are signed in nowhere else").waitFor();
  assert.equal((await refresh(other.refresh_token)).status, 401);
  assert.equal((await me(other.access_token)).status, 401);

  await page.getByRole("button", { name: "Sign out everywhere" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Sign out everywhere" }).click();
  await heading(page, "Sign in");
  await page.getByText("signed out on all devices").first().waitFor();
  assert.deepEqual(await context.cookies(), []);
}

async function changesThePassword(context, keep) {
  const name = await newUser("correct horse");
  const other = await newSession(name, "correct horse", "Phone");
  const page = await open(context, url);
  await signIn(page, name, keep, "correct horse");
  await go(page, "Password");
  const change = async (current, next) => {
    await page.getByLabel("Current password", { exact: true }).fill(current);
    await page.getByLabel("New password", { exact: true }).fill(next);
    await page.getByRole("button", { name: "Change the password" }).click();
  };
  await change("a wrong one", "battery staple");
  await page.getByRole("alert").getByText("The current password is not right").first().waitFor();
  await change("correct horse", "battery staple");
  await page.getByText("The password is changed").waitFor();

  assert.equal((await me(other.access_token)).status, 401);
  await signOut(page);
  await signIn(page, name, keep, "battery staple");
}

async function sendsATamperedToken(context, keep) {
  const page = await open(context, url);
  await signIn(page, "alice", keep);
  await go(page, "Experiments");
  const tries = async (name, expected) => {
    await page.getByRole("button", { name: `Try it: ${name}` }).click();
    await page.getByRole("region", { name }).or(page.locator("section", { hasText: name })).getByText(expected).first().waitFor();
  };
  await tries("Send no token", "The request carried no token.");
  const next = [];
  page.on("response", (response) => {
    if (response.url().endsWith("/api/refresh")) next.push(response.headerValues("set-cookie"));
  });
  await tries("Refresh twice at once", "Both were answered");
  const [one, other] = (await Promise.all(next)).map((fields) => fields.find((field) => field.startsWith(`${WAYS[keep].cookie}=`)));
  assert.ok(one && !one.startsWith(`${WAYS[keep].cookie}=;`), one);
  assert.equal(one, other);
  const members = keep === "memory" ? "access_token, expires_in, token_type" : "expires_in";
  await tries("Read the tokens", `It sees the cookie csrf, and in the answer: ${members}.`);
  const held = await context.cookies();
  assert.ok(held.find(({ name }) => name === WAYS[keep].cookie).httpOnly);
  if (keep === "memory") {
    assert.ok(held.every(({ name }) => !["access", "refresh"].includes(name)));
    await tries("Change one letter", "The token was not accepted");
    return;
  }
  await tries("Send a second token", "400");
  const cookies = await context.cookies();
  const access = cookies.find(({ name }) => name.endsWith("access"));
  assert.ok(access.httpOnly && access.sameSite === "Lax");
  const [header, claims, signature] = access.value.split(".");
  const forged = Buffer.from(claims, "base64url").toString().replace("user", "admin");
  await context.addCookies([
    { ...access, value: [header, Buffer.from(forged).toString("base64url"), signature].join(".") },
  ]);
  assert.equal(await page.evaluate(() => fetch("/api/admin").then(({ status }) => status)), 401);
  // A good one replaces it, and it is alice's.
  await go(page, "Admin");
  await page.getByText("This page is for admins").waitFor();
}

async function isAttackedByAnotherSite(context, keep) {
  const page = await open(context, url);
  await signIn(page, "alice", keep);

  // `localhost` is another site: the browser keeps the cookies. Another port of the same host is the same
  // site: the browser sends them, and the server refuses.
  for (const [host, own] of [["127.0.0.1", keep === "cookies" ? 403 : 401], ["localhost", 401]]) {
    const withRefreshToken = ["/api/refresh", "/api/logout"].map((path) => [path, host === "localhost" ? 400 : 403]);
    for (const [path, status] of [["/api/logout-everywhere", own], ["/api/password", own], ...withRefreshToken]) {
      const tab = await context.newPage();
      const answered = tab.waitForResponse((response) => response.url() === `${url}${path}`);
      await tab.goto(`http://${host}:${attacker.address().port}/?${url}${path}`);
      assert.equal((await answered).status(), status, `${path} from ${host}`);
      await tab.close();
    }
    const tab = await context.newPage();
    await tab.goto(`http://${host}:${attacker.address().port}/empty`);
    const read = await tab.evaluate(
      (url) => fetch(`${url}/api/me`, { credentials: "include" }).then(({ status }) => status, () => "blocked"),
      url,
    );
    assert.equal(read, "blocked");
    await tab.close();
  }
  // Nobody is signed in as the attacker's user either.
  for (const word of ["cookies", "refresh-cookie"]) {
    const tab = await context.newPage();
    const answered = tab.waitForResponse((response) => response.url() === `${url}/api/login`);
    await tab.goto(`http://127.0.0.1:${attacker.address().port}/?${url}/api/login&username=admin&password=password&keep=${word}`);
    assert.equal((await answered).status(), 403);
  }

  await go(page, "Sessions");
  await page.getByText("this one").waitFor();
}

async function losesARefreshToken(context, keep) {
  const page = await open(context, url);
  await signIn(page, "alice", keep);
  await go(page, "Experiments");
  const stolen = (await context.cookies()).find(({ name }) => name === WAYS[keep].cookie).value;
  const again = page.getByRole("button", { name: "Try it: Refresh twice at once" });
  for (let count = 0; count < 2; count += 1) {
    const both = [0, 1].map(() => page.waitForResponse((response) => response.url().endsWith("/api/refresh")));
    await again.click();
    await Promise.all(both);
    await page.getByText("Both were answered").waitFor();
    await page.waitForFunction(() => !document.querySelector(".is-busy"));
  }
  const thief = await refresh(stolen);
  assert.deepEqual([thief.status, (await thief.json()).error], [401, "invalid_grant"]);
  await go(page, "Profile");
  await heading(page, "Sign in");
  await page.getByText("You were signed out").first().waitFor();
  assert.deepEqual(await context.cookies(), []);
}

/** Looks for what a screen reader cannot read, on all pages, in both schemes and widths. */
async function reads() {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 360]) {
      const context = await browser.newContext({ colorScheme, viewport: { width, height: 800 } });
      const page = await open(context, url);
      const check = async (name) => {
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"] }));
        const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(", ")}`);
        assert.deepEqual(found, [], `${name}, ${colorScheme}, ${width}`);
        const isTooWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        assert.ok(!isTooWide, `${name} is wider than ${width}`);
      };
      await check("Sign in");
      await signIn(page, "admin", "memory");
      for (const name of ["Profile", "Sessions", "Password", "Admin", "Experiments"]) {
        await go(page, name);
        await page.waitForFunction(() => !document.querySelector("main .loading"));
        await check(name);
      }
      await context.close();
    }
  }
  console.log("axe has found nothing");
}

async function takeScreenshots() {
  for (const colorScheme of ["light", "dark"]) {
    for (const [size, width, height] of [["wide", 1280, 900], ["narrow", 390, 844]]) {
      const context = await browser.newContext({ colorScheme, viewport: { width, height } });
      const page = await open(context, url);
      const shot = async (name) => {
        await page.waitForTimeout(200);
        await page.evaluate(() => scrollTo(0, 0));
        await page.screenshot({ path: `${directory}/${name}-${colorScheme}-${size}.png`, fullPage: size === "narrow" });
      };
      await shot("sign-in");
      await signIn(page, "alice", size === "wide" ? "memory" : "cookies");
      await shot("profile");
      for (const name of ["Sessions", "Password", "Admin", "Experiments"]) {
        await go(page, name);
        if (name === "Experiments") {
          await page.getByRole("button", { name: /Change one letter|Send a second token/ }).click();
          await page.locator("main .notice").waitFor();
        }
        await shot(name.toLowerCase());
      }
      await context.close();
    }
  }
}

async function open(context, at) {
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (/Content Security Policy|TrustedHTML/i.test(message.text())) errors.push(message.text());
  });
  await page.goto(at);
  await page.locator("main h1").waitFor();
  return page;
}

async function fill(page, name, password, keep) {
  await page.getByLabel("User name").fill(name);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByLabel(WAYS[keep].label, { exact: true }).check();
}

async function signIn(page, name, keep, password = "password") {
  await heading(page, "Sign in");
  await fill(page, name, password, keep);
  await page.getByRole("button", { name: "Sign in" }).click();
  await heading(page, "Profile");
  await page.getByRole("main").getByText(name, { exact: true }).first().waitFor();
}

async function signOut(page) {
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await heading(page, "Sign in");
}

async function go(page, name) {
  await page.getByRole("navigation").getByRole("link", { name }).click();
}

function heading(page, name) {
  return page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
}

function lastRequest(page) {
  return page.locator("#requests li").first().innerText();
}

/** Counts the refreshes of all tabs from now on. */
function refreshes(context) {
  const counted = { count: 0 };
  context.on("request", (request) => {
    if (request.url().endsWith("/api/refresh")) counted.count += 1;
  });
  return counted;
}

// Another client of the same user.

function post(path, json) {
  const headers = { "Content-Type": "application/json" };
  return fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(json) });
}

async function newUser(password) {
  const username = `user ${process.pid} ${(users += 1)}`;
  const answer = await post("/api/register", { username, password });
  assert.equal(answer.status, 200);
  const { refresh_token } = await answer.json();
  assert.equal((await post("/api/logout", { refresh_token })).status, 204);
  return username;
}

async function newSession(username, password, device) {
  const answer = await post("/api/login", { username, password, device });
  assert.equal(answer.status, 200);
  return answer.json();
}

function refresh(refresh_token) {
  return post("/api/refresh", { refresh_token });
}

function me(token) {
  return fetch(`${url}/api/me`, { headers: { Authorization: `Bearer ${token}` } });
}

/** Serves a page that sends a form to the address after the question mark, with the fields after it. */
async function serveAttacker() {
  const server = createServer((request, response) => {
    response.setHeader("Content-Type", "text/html");
    const [, query = ""] = request.url.split("?");
    const [action, ...fields] = query.split("&");
    const inputs = fields.map((field) => field.split("=")).map(([name, value]) => `<input name="${name}" value="${value}">`);
    response.end(
      action ? `<form method="post" action="${action}">${inputs.join("")}</form><script>document.forms[0].submit()</script>` : "empty",
    );
  });
  await new Promise((resolve) => server.listen(0, resolve));
  return server;
}
