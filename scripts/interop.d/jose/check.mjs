// What jose thinks of tokens, one line of JSON at a time: `ok` or `no: <reason>`. A line with `mint`
// asks for a token of its own instead, with the public key, and the private one for our issuer. A line
// with `sign` asks for a token that is signed with a private key of ours, a line with `encrypt` for an
// encrypted token, with the private key. A line with `decrypt` asks for the content of a token of ours.

import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import * as jose from "jose";

async function check({ token, jwks, issuer, audience, algorithms, now }) {
  try {
    await jose.jwtVerify(token, await keysOf(jwks, algorithms), {
      issuer,
      audience,
      algorithms,
      clockTolerance: 60,
      currentDate: new Date(now * 1000),
      requiredClaims: ["exp", "iss", "aud"],
    });
    return "ok";
  } catch (error) {
    return `no: ${error.code ?? "not meant"}: ${JSON.stringify(error.message)}`;
  }
}

// A JWK set is for public keys only; secrets are imported one by one.
async function keysOf(jwks, algorithms) {
  const [first] = jwks.keys;
  return first.kty === "oct" ? jose.importJWK(first, algorithms[0]) : jose.createLocalJWKSet(jwks);
}

async function mint({ algorithm, issuer, audience, now }) {
  const { signingKey, jwk, pem } = algorithm.startsWith("HS")
    ? newSecret()
    : await newKeyPair(algorithm);
  jwk.alg = algorithm;
  jwk.kid = "made by jose";
  const token = await new jose.SignJWT({ scope: "orders:read" })
    .setProtectedHeader({ alg: algorithm, kid: jwk.kid, typ: "at+jwt" })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject("alice")
    .setIssuedAt(now)
    .setExpirationTime(now + 900)
    .sign(signingKey);
  return JSON.stringify({ token, jwk, pem });
}

function newSecret() {
  const signingKey = randomBytes(64);
  return { signingKey, jwk: { kty: "oct", k: signingKey.toString("base64url") }, pem: null };
}

async function newKeyPair(algorithm) {
  const { privateKey, publicKey } = await jose.generateKeyPair(algorithm, { extractable: true });
  return {
    signingKey: privateKey,
    jwk: await jose.exportJWK(publicKey),
    pem: await jose.exportPKCS8(privateKey),
  };
}

async function sign({ algorithm, key, claims }) {
  const signingKey = key.pem
    ? await jose.importPKCS8(key.pem, algorithm)
    : await jose.importJWK(key.jwk, algorithm);
  return new jose.SignJWT(claims).setProtectedHeader({ alg: algorithm, typ: "at+jwt" }).sign(signingKey);
}

async function encrypt({ algorithm, encryption, curve, parties, content }) {
  const { publicKey, jwk } = await recipient(algorithm, encryption, curve);
  const bytes = (text) => new TextEncoder().encode(text);
  const maker = new jose.CompactEncrypt(bytes(content)).setProtectedHeader({ alg: algorithm, enc: encryption });
  if (curve) {
    const [apu, apv] = [parties.apu, parties.apv].map((one) => jose.base64url.decode(one));
    maker.setKeyManagementParameters({ apu, apv });
  }
  return JSON.stringify({ token: await maker.encrypt(publicKey), jwk: { ...jwk, alg: algorithm } });
}

// The key to encrypt with, and the private one.
async function recipient(algorithm, encryption, curve) {
  const bits = { A128: 16, A256: 32 }[algorithm.slice(0, 4)];
  const direct = { A128GCM: 16, A256GCM: 32, "A128CBC-HS256": 32, "A256CBC-HS512": 64 }[encryption];
  if (bits || algorithm === "dir") {
    const publicKey = randomBytes(bits ?? direct);
    return { publicKey, jwk: { kty: "oct", k: publicKey.toString("base64url") } };
  }
  const pair = await jose.generateKeyPair(algorithm, { crv: curve || undefined, extractable: true });
  return { publicKey: pair.publicKey, jwk: await jose.exportJWK(pair.privateKey) };
}

async function decrypt({ token, jwk }) {
  const { plaintext } = await jose.compactDecrypt(token, await jose.importJWK(jwk, jwk.alg));
  return JSON.stringify({ content: new TextDecoder().decode(plaintext) });
}

async function answer(question) {
  if (question.mint) return mint(question.mint);
  if (question.sign) return sign(question.sign);
  if (question.encrypt) return encrypt(question.encrypt);
  if (question.decrypt) return decrypt(question.decrypt);
  return check(question);
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(await answer(JSON.parse(line)));
}
