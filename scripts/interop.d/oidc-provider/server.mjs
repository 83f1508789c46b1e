// An OpenID provider on loopback: `server.mjs [<port>]`. Says `listening <issuer>` once it does.
//
// The clients `shop-RS256`, `shop-ES256` and `shop-EdDSA`, all with the secret `secret of the
// shop`, get tokens signed that way: by client credentials, and by the code flow with PKCE, where
// a browser without a session is logged in as alice without a question. Environment variables:
// - `PORT`: where to listen; any free port by default
// - `ISSUER_PATH`: the path of the issuer, to the letter; none by default
// - `RESOURCE`: the only resource there are JWT for, and their `aud`
// - `TOKEN_FORMAT`: `opaque` for tokens of the resource that are no JWT
// - `API_JWKS`: the public keys of the client `orders-jwt`
// - `DPOP`: `on` to bind tokens to the key of a proof that comes with the request (RFC 9449), `nonces` to ask for
//   nonces in proofs too; by default such proofs are not looked at
// - `MTLS_SERVER`: a certificate and its key, in PEM, with which the provider listens for TLS too. The client
//   `shop-mtls` authenticates there with its certificate, to which its tokens are bound (RFC 8705); the metadata
//   names the endpoint. Nowhere by default
// - `MTLS_CLIENT`: that certificate of the client, in PEM
// - `LOGOUT_URI`: where each client hears of logouts (back-channel); nowhere by default
//
// Any client may introspect opaque tokens (RFC 7662), and gets a signed answer if it asks for one
// (RFC 9701): the shops by HTTP Basic, `orders-post` with its secret in the form, `orders-jwt` with an
// assertion.
//
// Beside the provider, for tests: `POST /admin/rotate?alg=…` makes a key to sign with from now on,
// `POST /admin/withdraw?kid=…` takes a key out of the set unless it is the last of its type, and
// `GET /admin/requests` lists the paths that the provider has been asked for, and `GET /admin/logouts`
// what became of the logouts it has told clients of.

import { generateKeyPairSync, randomBytes, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { errors, Provider } from "oidc-provider";

const {
  PORT: port = 0,
  ISSUER_PATH: path = "",
  RESOURCE: resource = "https://api.example.com",
  LOGOUT_URI: logoutUri,
  TOKEN_FORMAT: accessTokenFormat = "jwt",
  DPOP: dpop = "",
  MTLS_SERVER: mtlsServer,
  MTLS_CLIENT: mtlsClient,
  API_JWKS: apiJwks = '{"keys":[]}',
} = process.env;
const SCOPES = "things:read things:write";
const KEY_TYPES = {
  RS256: ["rsa", { modulusLength: 2048 }],
  ES256: ["ec", { namedCurve: "P-256" }],
  EdDSA: ["ed25519"],
};

// Keys of a provider that runs cannot be changed: another provider takes its place, with this one's
// sessions, codes and grants.
function newProvider() {
  const provider = new Provider(issuer, {
    adapter: (kind) => (stores[kind] ??= new Store()),
    clients: [...shops(), ...(mtlsServer ? [shopWithCertificate()] : []), ...apis()],
    enabledJWA: { dPoPSigningAlgValues: ["ES256", "ES384", "EdDSA", "PS256"] },
    clientAuthMethods: [
      "client_secret_basic",
      "client_secret_post",
      "private_key_jwt",
      ...(mtlsServer ? ["self_signed_tls_client_auth"] : []),
    ],
    discovery: mtlsServer && { mtls_endpoint_aliases: { token_endpoint: `${tlsOrigin}${prefix}/token` } },
    cookies: { keys: ["kept, so that sessions are"] },
    features: {
      backchannelLogout: { enabled: true },
      clientCredentials: { enabled: true },
      dPoP: {
        enabled: dpop !== "",
        nonceSecret: dpop === "nonces" ? nonceSecret : undefined,
        requireNonce: () => dpop === "nonces",
      },
      mTLS: {
        enabled: Boolean(mtlsServer),
        certificateBoundAccessTokens: true,
        selfSignedTlsClientAuth: true,
        // A connection without TLS has none.
        getCertificate: (ctx) => ctx.req.socket.getPeerX509Certificate?.(),
      },
      introspection: { enabled: true },
      jwtIntrospection: { enabled: true },
      revocation: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo,
      },
    },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    interactions: { url: (_, { uid }) => `${origin}${prefix}/log-in/${uid}` },
    jwks: { keys },
    loadExistingGrant: grantEverything,
    pkce: { methods: ["S256"], required: () => true },
    ttl: {
      AccessToken: 600,
      AuthorizationCode: 60,
      ClientCredentials: 600,
      Grant: 3600,
      IdToken: 600,
      Interaction: 600,
      Session: 3600,
    },
  });
  provider.on("backchannel.success", (_, client) => logouts.push(`told ${client.clientId}`));
  provider.on("backchannel.error", (_, error) => logouts.push(error.message));
  return provider;
}

function shops() {
  return Object.keys(KEY_TYPES).map((alg) => ({
    client_id: `shop-${alg}`,
    client_secret: "secret of the shop",
    redirect_uris: ["https://shop.example.com/callback"],
    grant_types: ["authorization_code", "client_credentials"],
    id_token_signed_response_alg: alg,
    introspection_signed_response_alg: alg,
    ...(logoutUri && {
      backchannel_logout_uri: logoutUri,
      backchannel_logout_session_required: true,
    }),
  }));
}

function shopWithCertificate() {
  const certificate = new X509Certificate(mtlsClient);
  const jwk = certificate.publicKey.export({ format: "jwk" });
  return {
    client_id: "shop-mtls",
    redirect_uris: [],
    response_types: [],
    grant_types: ["client_credentials"],
    token_endpoint_auth_method: "self_signed_tls_client_auth",
    tls_client_certificate_bound_access_tokens: true,
    id_token_signed_response_alg: "RS256",
    jwks: { keys: [{ ...jwk, x5c: [certificate.raw.toString("base64")] }] },
  };
}

// Clients that introspect and do nothing else.
function apis() {
  const api = { redirect_uris: [], grant_types: [], response_types: [] };
  const secret = "secret of the API";
  return [
    {
      ...api,
      client_id: "orders-post",
      client_secret: secret,
      token_endpoint_auth_method: "client_secret_post",
    },
    {
      ...api,
      client_id: "orders-jwt",
      jwks: JSON.parse(apiJwks),
      token_endpoint_auth_method: "private_key_jwt",
    },
  ];
}

function getResourceServerInfo(_, indicator, client) {
  if (indicator !== resource) throw new errors.InvalidTarget();
  return {
    scope: SCOPES,
    accessTokenFormat,
    jwt: { sign: { alg: client.idTokenSignedResponseAlg } },
  };
}

// Instead of a page that asks for consent.
async function grantEverything({ oidc }) {
  const { accountId } = oidc.session;
  const grant = new oidc.provider.Grant({ accountId, clientId: oidc.client.clientId });
  grant.addOIDCScope("openid");
  grant.addResourceScope(resource, SCOPES);
  await grant.save();
  return grant;
}

class Store {
  #all = new Map();

  async upsert(id, value) {
    this.#all.set(id, value);
  }

  async find(id) {
    return this.#all.get(id);
  }

  async findByUid(uid) {
    return [...this.#all.values()].find((value) => value.uid === uid);
  }

  async consume(id) {
    this.#all.get(id).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.#all.delete(id);
  }

  async revokeByGrantId(grantId) {
    for (const [id, value] of this.#all) if (value.grantId === grantId) this.#all.delete(id);
  }
}

function addKey(alg) {
  const jwk = generateKeyPairSync(...KEY_TYPES[alg]).privateKey.export({ format: "jwk" });
  made += 1;
  // Of several keys for an algorithm, a provider signs with the first. It knows what a key is for.
  keys.unshift({ ...jwk, kid: `${alg}-${made}` });
  return keys[0].kid;
}

function isSpare(kid) {
  const kty = keys.find((key) => key.kid === kid)?.kty;
  return keys.filter((key) => key.kty === kty).length > 1;
}

function withdrawKey(kid) {
  keys.splice(keys.findIndex((key) => key.kid === kid), 1);
  return kid;
}

function answer(request, response) {
  const url = new URL(request.url, origin);
  if (url.pathname.startsWith("/admin/")) return administer(url, response);

  requests.push(url.pathname);
  // RFC 8414 §3.1: the well-known name comes before the path of the issuer. This version of the
  // provider has the metadata under OpenID's name only.
  if (url.pathname === `/.well-known/oauth-authorization-server${prefix}`) {
    request.url = `${prefix}/.well-known/openid-configuration`;
  }
  if (!request.url.startsWith(`${prefix}/`)) return response.writeHead(404).end();
  // How the provider learns where it is mounted.
  request.originalUrl = request.url;
  request.url = request.url.slice(prefix.length);
  if (request.url.startsWith("/log-in/")) {
    const result = { login: { accountId: "alice" } };
    const finished = provider.interactionFinished(request, response, result);
    return finished.catch(() => response.writeHead(400).end());
  }
  return provider.callback()(request, response);
}

function administer({ pathname, searchParams }, response) {
  const [alg, kid] = [searchParams.get("alg"), searchParams.get("kid")];
  let said;
  if (pathname === "/admin/requests") {
    said = requests;
  } else if (pathname === "/admin/logouts") {
    said = logouts;
  } else if (pathname === "/admin/rotate" && alg in KEY_TYPES) {
    said = { kid: addKey(alg) };
    provider = newProvider();
  } else if (pathname === "/admin/withdraw" && isSpare(kid)) {
    said = { kid: withdrawKey(kid) };
    provider = newProvider();
  } else {
    return response.writeHead(400).end();
  }
  return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(said));
}

// For all providers that follow each other.
const nonceSecret = randomBytes(32);
const [stores, keys, requests, logouts] = [{}, [], [], []];
let made = 0;

const server = createServer(answer).listen(process.argv[2] ?? port, "127.0.0.1");
await once(server, "listening");
const tlsServer =
  mtlsServer &&
  createTlsServer(
    // The certificate of a client need not be of an authority.
    { cert: mtlsServer, key: mtlsServer, requestCert: true, rejectUnauthorized: false },
    answer,
  ).listen(0, "127.0.0.1");
if (tlsServer) await once(tlsServer, "listening");
const tlsOrigin = tlsServer && `https://localhost:${tlsServer.address().port}`;
const origin = `http://127.0.0.1:${server.address().port}`;
const issuer = origin + path;
const prefix = path.replace(/\/$/, "");
Object.keys(KEY_TYPES).forEach(addKey);
let provider = newProvider();
console.log(`listening ${issuer}`);
