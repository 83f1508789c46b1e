"""What PyJWT thinks of tokens, one line of JSON at a time: `ok` or `no: <reason>`. A line with
`mint` asks for a token of its own instead, with the public key, and the private one for our issuer.
A line with `sign` asks for a token that is signed with a private key of ours.
"""

import base64
import json
import secrets
import sys
from datetime import datetime

import jwt
import jwt.api_jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa


def check(token, jwks, issuer, audience, algorithms, now):
    stop_the_clock(now)
    try:
        jwt.decode(
            token,
            key_for(token, jwks),
            algorithms=algorithms,
            issuer=issuer,
            audience=audience,
            leeway=60,
            options={"require": ["exp", "iss", "aud"]},
        )
    except jwt.PyJWTError as error:
        return answer(error)
    except Exception as error:
        return answer(error, "not meant: ")
    return "ok"


def answer(error, how=""):
    # In ASCII and on one line: the text may be the token's.
    return ascii(f"no: {how}{type(error).__name__}: {error}")[1:-1]


def key_for(token, jwks):
    keys = jwt.PyJWKSet.from_dict(jwks)
    kid = jwt.get_unverified_header(token).get("kid")
    return keys[kid] if kid else keys.keys[0]


def mint(algorithm, issuer, audience, now):
    private, public, pem = new_secret() if algorithm.startswith("HS") else new_key_pair(algorithm)
    jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(public, as_dict=True)
    jwk |= {"alg": algorithm, "kid": "made by pyjwt"}
    claims = {"iss": issuer, "aud": audience, "sub": "alice", "scope": "orders:read"}
    claims |= {"iat": now, "exp": now + 900}
    headers = {"kid": jwk["kid"], "typ": "at+jwt"}
    token = jwt.encode(claims, private, algorithm=algorithm, headers=headers)
    return json.dumps({"token": token, "jwk": jwk, "pem": pem})


def sign(algorithm, key, claims):
    private = key["pem"] if "pem" in key else jwt.PyJWK(key["jwk"]).key
    return jwt.encode(claims, private, algorithm=algorithm, headers={"typ": "at+jwt"})


def new_secret():
    secret = secrets.token_bytes(64)
    return secret, secret, None


def new_key_pair(algorithm):
    match algorithm[:2]:
        case "RS" | "PS":
            private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "Ed":
            private = ed25519.Ed25519PrivateKey.generate()
        case _:
            curve = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}[algorithm]
            private = ec.generate_private_key(curve())
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private, private.public_key(), pem.decode()


def stop_the_clock(now):
    """PyJWT cannot be told the time; this is where it looks."""

    class Standing(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(now, tz)

    jwt.api_jwt.datetime = Standing


def reply(question):
    if "mint" in question:
        return mint(**question["mint"])
    if "sign" in question:
        return sign(**question["sign"])
    return check(**question)


for line in sys.stdin:
    print(reply(json.loads(line)), flush=True)
