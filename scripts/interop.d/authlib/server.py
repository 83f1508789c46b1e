"""An authorization server on loopback, of Authlib and Flask: `server.py [<port>]`. Says `listening
<issuer>` once it does.

The clients `shop-RS256` and `shop-ES256`, both with the secret `secret of the shop`, get tokens
signed that way, by client credentials. `orders-api`, with the secret `secret-of-the-API`, introspects them. The environment variables and the paths below `/admin/` are
those of `oidc-provider/server.mjs`.
"""

import logging
import os
import secrets
import sys

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator, JWTIntrospectionEndpoint
from flask import Flask, abort, jsonify, request
from joserfc.jwk import KeySet, generate_key
from werkzeug.serving import make_server

RESOURCE = os.environ.get("RESOURCE", "https://api.example.com")
SCOPES = ["things:read", "things:write"]
KEY_TYPES = {"RS256": ("RSA", 2048), "ES256": ("EC", "P-256")}


class Shop(ClientMixin):
    def __init__(self, algorithm):
        self.algorithm = algorithm

    def get_client_id(self):
        return f"shop-{self.algorithm}"

    def check_client_secret(self, secret):
        return secrets.compare_digest(secret, "secret of the shop")

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_grant_type(self, grant_type):
        return grant_type == ClientCredentialsGrant.GRANT_TYPE

    def get_allowed_scope(self, scope):
        return " ".join(one for one in (scope or "").split() if one in SCOPES)


class Api(ClientMixin):
    """Introspects and does nothing else. Authlib decodes no `+` and `%` in Basic credentials (RFC 6749 §2.3.1)."""

    def get_client_id(self):
        return "orders-api"

    def check_client_secret(self, secret):
        return secrets.compare_digest(secret, "secret-of-the-API")

    def check_endpoint_auth_method(self, method, endpoint):
        return (method, endpoint) == ("client_secret_basic", "introspection")

    def check_grant_type(self, grant_type):
        return False


class AccessTokens(JWTBearerTokenGenerator):
    def get_jwks(self):
        # A set of one: of several keys Authlib takes any, and beside a lone key it writes no `kid`.
        return KeySet([next(key for key in keys if key.alg == self.alg)])

    def get_audiences(self, client, user, scope):
        return RESOURCE


class Introspection(JWTIntrospectionEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic"]

    def get_jwks(self):
        return KeySet(keys)

    def check_permission(self, token, client, request):
        return client.get_client_id() == "orders-api"


class OtherTokens(IntrospectionEndpoint):
    """Knows no token that is not a JWT."""

    CLIENT_AUTH_METHODS = ["client_secret_basic"]

    def query_token(self, token_string, token_type_hint):
        return None


def add_key(algorithm):
    parameters = {"alg": algorithm, "use": "sig"}
    keys.insert(0, generate_key(*KEY_TYPES[algorithm], parameters, auto_kid=True))
    return keys[0].kid


# Authlib wants TLS, also on loopback.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
logging.getLogger("werkzeug").setLevel(logging.WARNING)

app = Flask(__name__)
port = int(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PORT", 0))
http = make_server("127.0.0.1", port, app, threaded=True)
origin = f"http://127.0.0.1:{http.server_port}"
issuer = origin + os.environ.get("ISSUER_PATH", "")
prefix = os.environ.get("ISSUER_PATH", "").rstrip("/")

clients = {f"shop-{algorithm}": Shop(algorithm) for algorithm in KEY_TYPES} | {"orders-api": Api()}
keys, requests = [], []
for algorithm in KEY_TYPES:
    add_key(algorithm)

server = AuthorizationServer(app, query_client=clients.get, save_token=lambda token, request: None)
server.register_grant(ClientCredentialsGrant)
generators = {algorithm: AccessTokens(issuer, algorithm) for algorithm in KEY_TYPES}
server.register_token_generator(
    "default", lambda client, **order: generators[client.algorithm](client=client, **order)
)

server.register_endpoint(Introspection(issuer=issuer))
server.register_endpoint(OtherTokens)


@app.before_request
def remember():
    if not request.path.startswith("/admin/"):
        requests.append(request.path)


@app.get(f"{prefix}/.well-known/openid-configuration")
@app.get(f"/.well-known/oauth-authorization-server{prefix}")
def metadata():
    return {
        "issuer": issuer,
        "token_endpoint": f"{origin}{prefix}/token",
        "jwks_uri": f"{origin}{prefix}/jwks",
        "introspection_endpoint": f"{origin}{prefix}/introspect",
        "grant_types_supported": [ClientCredentialsGrant.GRANT_TYPE],
        "response_types_supported": [],
        "scopes_supported": SCOPES,
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    }


@app.get(f"{prefix}/jwks")
def jwks():
    response = jsonify(KeySet(keys).as_dict(private=False))
    response.cache_control.public = True
    response.cache_control.max_age = 300
    return response


@app.post(f"{prefix}/token")
def token():
    return server.create_token_response()


@app.post(f"{prefix}/introspect")
def introspect():
    return server.create_endpoint_response("introspection")


@app.post("/admin/rotate")
def rotate():
    algorithm = request.args.get("alg")
    return {"kid": add_key(algorithm)} if algorithm in KEY_TYPES else abort(400)


@app.post("/admin/withdraw")
def withdraw():
    key = next((key for key in keys if key.kid == request.args.get("kid")), None)
    if key is None or [one.alg for one in keys].count(key.alg) == 1:
        abort(400)
    keys.remove(key)
    return {"kid": key.kid}


@app.get("/admin/requests")
def requested():
    return jsonify(requests)


print(f"listening {issuer}", flush=True)
http.serve_forever()
