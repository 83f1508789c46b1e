// Works with the page of `bearer serve` in a real browser: `page.mjs <url> [<directory>]`.
//
// Screenshots are left in the directory.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { launch } from "./launch.mjs";

const [url, directory] = process.argv.slice(2);
const SECRET = "a secret of more than 32 bytes, for tests";
const ISSUER = "https://id.example.com";
const AUDIENCE = "https://api.example.com";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core"), "utf8");
const browser = await launch();
const errors = [];
const requests = [];
try {
  for (const [name, check] of Object.entries({
    seesWhatIsInAToken,
    verifiesWithASecretByKeyboardOnly,
    isToldTheSmallestChange,
    verifiesWithTheKeysOfTheIssuer,
    isToldThatTheIssuerFails,
    pastesWhatIsNoToken,
    pastesAHostileToken,
    pastesAnEncryptedToken,
    losesTheProgram,
  })) {
    const context = await newContext({ viewport: { width: 1280, height: 900 } });
    try {
      await check(context);
    } catch (error) {
      throw new Error(`${name}: ${error.message}`, { cause: error });
    } finally {
      await context.close();
    }
    console.log(name);
  }
  await reads();
  if (directory) await takeScreenshots();
  assert.deepEqual(errors, []);
  const foreign = requests.filter((request) => new URL(request.url).origin !== new URL(url).origin);
  assert.deepEqual(foreign, []);
  assert.ok(requests.every((request) => new URL(request.url).search === "" && !request.url.includes("eyJ")));
  console.log(`${requests.length} requests, all to the page's own origin, none with a token in its address`);
} finally {
  await browser.close();
}

async function seesWhatIsInAToken(context) {
  const page = await open(context);
  assert.equal(await page.evaluate(() => document.activeElement.id), "token");
  await paste(page, `Authorization: Bearer ${token({ sub: "alice", exp: now() + 600, iat: now() - 300 })}`);
  await page.getByRole("heading", { name: "Claims" }).waitFor();
  await page.getByText("Not verified").first().waitFor();
  await page.getByText(/^Expires in (10 minutes|9 minutes)/).waitFor();
  const words = await page.locator("#times-sentence, #claims .note").allInnerTexts();
  await page.waitForFunction((before) => [...document.querySelectorAll("#times-sentence, #claims .note")].every((now, at) => now.textContent !== before[at]), words);
  await page.locator("#claims .member", { hasText: '"sub"' }).getByText('"alice"').waitFor();
  assert.deepEqual(await page.locator("#legend li > span:first-of-type").allInnerTexts(), ["Header", "Claims", "Signature"]);
  assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
  assert.equal(page.url(), `${url}/`);

  await page.reload();
  assert.equal(await page.locator("#token").inputValue(), "");
}

async function verifiesWithASecretByKeyboardOnly(context) {
  const page = await open(context);
  const text = token({ sub: "alice", exp: now() + 600 });
  // As a paste, without the clipboard.
  await page.keyboard.insertText(text);
  await page.getByRole("heading", { name: "Verify it" }).waitFor();
  await tabTo(page, (active) => active.name === "keys");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "secret");
  await page.keyboard.type("not the secret, but as long as the secret is");
  await page.keyboard.press("Enter");
  await verdict(page, "Refused");

  await page.keyboard.press("Control+A");
  await page.keyboard.type(SECRET);
  await page.keyboard.press("Control+Enter");
  // The fields are empty, so the token says itself what it is for.
  await verdict(page, "Good by its own word");
  await page.locator("#verdict").getByText("issuer and audience was taken from the token itself").waitFor();
  assert.ok((await page.locator("#checks .passed").count()) > 3);
}

async function isToldTheSmallestChange(context) {
  const page = await open(context);
  await paste(page, token({ sub: "alice", exp: now() + 600 }));
  await page.getByLabel("Secret", { exact: true }).first().check();
  await page.locator("#secret").fill(SECRET);
  await page.getByLabel("Issuer to expect").fill(ISSUER);
  await page.getByLabel("Audience to expect").fill("https://orders.example.com");
  await page.getByRole("button", { name: "Verify" }).click();
  await verdict(page, "Refused");
  await page.locator("#verdict").getByText("The smallest change").waitFor();
  await page.locator("#checks .failed").waitFor();

  // Another question forgets the answer.
  await page.getByLabel("Audience to expect").fill(AUDIENCE);
  await page.getByText("The verdict will stand here").waitFor();
  await page.getByRole("button", { name: "Verify" }).click();
  await verdict(page, "Accepted");
}

async function verifiesWithTheKeysOfTheIssuer(context) {
  const page = await open(context);
  await page.getByRole("button", { name: /Token for alice/ }).click();
  await page.getByRole("heading", { name: "Claims" }).waitFor();
  await page.getByRole("button", { name: "Verify" }).click();
  await verdict(page, "Accepted");

  await page.getByRole("button", { name: "Rotate the keys" }).click();
  await page.getByText(/signs now. \d+ keys are published/).waitFor();
  await page.getByRole("button", { name: "Verify" }).click();
  await verdict(page, "Accepted");
}

async function isToldThatTheIssuerFails(context) {
  const page = await open(context);
  await page.getByRole("button", { name: /Token for alice/ }).click();
  await page.getByRole("heading", { name: "Claims" }).waitFor();
  await page.getByLabel("Fault").selectOption("empty_keys");
  await page.getByText("The key set holds no key").waitFor();
  await page.getByRole("button", { name: "Verify" }).click();
  await page.locator("#verdict h3").getByText(/Not verified|Undecided|Refused/).waitFor({ timeout: 30_000 });

  await page.getByLabel("Fault").selectOption("None");
  await page.getByText("There is no fault").waitFor();
  await page.getByRole("button", { name: "Verify" }).click();
  await verdict(page, "Accepted");
}

async function pastesWhatIsNoToken(context) {
  const page = await open(context);
  await paste(page, "hello");
  await page.locator("#token-state").getByText(/\w/).waitFor();
  assert.ok(await page.locator("#contents").isHidden());

  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByRole("button", { name: "Show an example" }).click();
  await page.getByText(/^Expired \d+ years/).waitFor();
}

async function pastesAHostileToken(context) {
  const page = await open(context);
  const markup = '<img src=x onerror="document.title=1"><script>document.title=1</script>';
  const hostile = `{"iss":"${ISSUER}","__proto__":{"sub":"x"},"exp":1e400,"id":12345678901234567890,"role":"admin\u202e","a<b>":${JSON.stringify(markup)}}`;
  await paste(page, signed({ alg: "HS256", kid: markup }, hostile.replace("1e400", "99999999999999999")));
  await page.locator("#claims").getByText("12345678901234567890", { exact: true }).waitFor();
  await page.locator("#claims").getByText("\\u{202e}").waitFor();
  await page.locator("#claims").getByText("__proto__").waitFor();
  assert.equal(await page.locator("img, main script").count(), 0);
  assert.equal(await page.title(), "bearer: look inside a token");
}

async function pastesAnEncryptedToken(context) {
  const page = await open(context);
  const header = Buffer.from(JSON.stringify({ alg: "RSA-OAEP", enc: "A256GCM" })).toString("base64url");
  await paste(page, `${header}.${"a".repeat(80)}.${"b".repeat(16)}.${"c".repeat(200)}.${"d".repeat(22)}`);
  await page.getByText("Encrypted (JWE)").waitFor();
  assert.equal(await page.locator("#legend li").count(), 5);
  assert.ok(await page.locator("#claims-card").isHidden());
}

async function losesTheProgram(context) {
  const page = await open(context);
  await paste(page, token({ sub: "before", exp: now() + 600 }));
  await page.locator("#claims").getByText('"before"').waitFor();
  await context.setOffline(true);
  await paste(page, token({ exp: now() + 600 }));
  await page.getByRole("alert").getByText("The program does not answer").waitFor();
  // What the page knows is about another token.
  assert.ok(await page.locator("#contents").isHidden());

  await context.setOffline(false);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("heading", { name: "Claims" }).waitFor();
  assert.ok(await page.getByRole("alert").isHidden());
}

/** Looks for what a screen reader cannot read, in both schemes and widths. */
async function reads() {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 360]) {
      const context = await newContext({ colorScheme, viewport: { width, height: 800 } });
      const page = await open(context);
      const check = async (name) => {
        const { violations } = await page.evaluate(() => axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"] }));
        const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(", ")}`);
        assert.deepEqual(found, [], `${name}, ${colorScheme}, ${width}`);
        const isTooWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        assert.ok(!isTooWide, `${name} is wider than ${width}`);
      };
      await page.evaluate(axe);
      await check("empty");
      await paste(page, "hello");
      await page.locator("#token-state").getByText(/\w/).waitFor();
      await check("no token");
      for (const [name, audience] of [["accepted", AUDIENCE], ["refused", "https://orders.example.com"]]) {
        await showVerdictOf(page, { sub: "alice", exp: now() + 600, iat: now() - 300, roles: ["user"], list: { of: ["things", 1, null] } }, audience);
        await check(name);
      }
      await context.close();
    }
  }
  console.log("axe has found nothing");
}

async function takeScreenshots() {
  for (const colorScheme of ["light", "dark"]) {
    for (const [size, width, height] of [["wide", 1280, 900], ["narrow", 360, 740]]) {
      const context = await newContext({ colorScheme, viewport: { width, height } });
      const page = await open(context);
      const shot = async (name) => {
        await page.evaluate(() => document.activeElement.blur());
        await page.waitForTimeout(400);
        await page.screenshot({ path: `${directory}/page-${name}-${colorScheme}-${size}.png`, fullPage: true });
      };
      await shot("empty");
      await paste(page, "hello");
      await page.locator("#token-state").getByText(/\w/).waitFor();
      await shot("unreadable");
      const claims = {
        sub: "248289761001", client_id: "orders-app", roles: ["user", "admin"], scope: "openid orders:read orders:write",
        iat: now() - 300, nbf: now() - 300, exp: now() + 600, jti: "3f1b7a52-0d5e-4c36-9a44-7d0a3a1c5c1e",
        realm_access: { roles: ["user", "offline_access"], level: 2, trusted: true },
      };
      await showVerdictOf(page, claims, AUDIENCE);
      await shot("accepted");
      await showVerdictOf(page, claims, "https://orders.example.com");
      await shot("refused");
      await showVerdictOf(page, { ...claims, exp: now() - 200, nbf: now() - 1000, iat: now() - 1000 }, AUDIENCE, "Refused");
      await shot("expired");
      const header = Buffer.from(JSON.stringify({ alg: "RSA-OAEP", enc: "A256GCM", kid: "2026-11" })).toString("base64url");
      await paste(page, `${header}.${"aB3".repeat(80)}.${"c9".repeat(8)}.${"Dx_".repeat(60)}.${"e1".repeat(11)}`);
      await page.getByText("Encrypted (JWE)").waitFor();
      await shot("encrypted");
      await context.setOffline(true);
      await paste(page, token({ exp: now() + 60 }));
      await page.getByRole("alert").getByText("does not answer").waitFor();
      await shot("offline");
      await context.close();
    }
  }
}

async function showVerdictOf(page, claims, audience, title = audience === AUDIENCE ? "Accepted" : "Refused") {
  await paste(page, token(claims));
  // What is pale is about the token before; the verdict may be here first.
  await page.locator("#contents:not(.is-old)").waitFor();
  await page.getByRole("heading", { name: "Verify it" }).waitFor();
  await page.locator('input[value="secret"]').check();
  await page.locator("#secret").fill(SECRET);
  await page.getByLabel("Issuer to expect").fill(ISSUER);
  await page.getByLabel("Audience to expect").fill(audience);
  await page.getByRole("button", { name: "Verify" }).click();
  await verdict(page, title);
}

async function newContext(options) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(20_000);
  context.on("request", (request) => requests.push({ url: request.url(), method: request.method() }));
  return context;
}

async function open(context) {
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (/Content Security Policy|TrustedHTML|TrustedScript/i.test(message.text())) errors.push(message.text());
  });
  await page.goto(`${url}/`);
  await page.getByRole("heading", { name: "Provider for development" }).waitFor();
  return page;
}

async function paste(page, text) {
  await page.locator("#token").fill(text);
}

function verdict(page, title) {
  return page.locator("#verdict h3").getByText(title).waitFor();
}

async function tabTo(page, found) {
  for (let count = 0; count < 30; count += 1) {
    if (await page.evaluate(`(${found})(document.activeElement)`)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error("the Tab key does not lead there");
}

function now() {
  return Math.floor(Date.now() / 1000);
}

function token(claims) {
  return signed({ alg: "HS256", typ: "at+jwt" }, JSON.stringify({ iss: ISSUER, aud: AUDIENCE, ...claims }));
}

function signed(header, claims) {
  const encode = (text) => Buffer.from(text).toString("base64url");
  const message = `${encode(JSON.stringify(header))}.${encode(claims)}`;
  return `${message}.${createHmac("sha256", SECRET).update(message).digest("base64url")}`;
}
