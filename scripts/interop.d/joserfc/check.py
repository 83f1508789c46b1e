"""What joserfc thinks of tokens, one line of JSON at a time: `ok` or `no: <reason>`. A line with
`mint` asks for a token of its own instead, with the public key, and the private one for our issuer.
A line with `sign` asks for a token that is signed with a private key of ours, a line with `encrypt` for
an encrypted token, with the private key. A line with `decrypt` asks for the content of a token of ours, or why there is none.
"""

import json
import sys

from joserfc import jwe, jwk, jwt
from joserfc.jwk import import_key
from joserfc.errors import JoseError


def check(token, jwks, issuer, audience, algorithms, now):
    claims = jwt.JWTClaimsRegistry(
        now=now,
        leeway=60,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
    )
    try:
        keys = jwk.KeySet.import_key_set(jwks)
        claims.validate(jwt.decode(token, keys, algorithms=algorithms).claims)
    except JoseError as error:
        return answer(error)
    except Exception as error:
        return answer(error, "not meant: ")
    return "ok"


def answer(error, how=""):
    # In ASCII and on one line: the text may be the token's.
    return ascii(f"no: {how}{type(error).__name__}: {error}")[1:-1]


def mint(algorithm, issuer, audience, now):
    key = new_key(algorithm)
    is_secret = key.key_type == "oct"
    public = key.as_dict(private=is_secret) | {"alg": algorithm, "kid": "made by joserfc"}
    claims = {"iss": issuer, "aud": audience, "sub": "alice", "scope": "orders:read"}
    claims |= {"iat": now, "exp": now + 900}
    header = {"alg": algorithm, "kid": public["kid"], "typ": "at+jwt"}
    token = jwt.encode(header, claims, key, algorithms=[algorithm])
    pem = None if is_secret else key.as_pem(private=True).decode()
    return json.dumps({"token": token, "jwk": public, "pem": pem})


def sign(algorithm, key, claims):
    if "jwk" in key:
        private = jwk.import_key(key["jwk"])
    else:
        kind = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}[algorithm[:2]]
        private = jwk.import_key(key["pem"], kind)
    header = {"alg": algorithm, "typ": "at+jwt"}
    return jwt.encode(header, claims, private, algorithms=[algorithm])


def new_key(algorithm):
    match algorithm[:2]:
        case "HS":
            return jwk.OctKey.generate_key(512)
        case "RS" | "PS":
            return jwk.RSAKey.generate_key(2048)
        case "Ed":
            return jwk.OKPKey.generate_key("Ed25519")
        case _:
            curve = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm]
            return jwk.ECKey.generate_key(curve)


def encrypt(algorithm, encryption, curve, parties, content):
    key = recipient(algorithm, encryption, curve)
    header = {"alg": algorithm, "enc": encryption} | (parties if curve else {})
    token = jwe.encrypt_compact(header, content, key, algorithms=[algorithm, encryption])
    return json.dumps({"token": token, "jwk": key.as_dict(private=True) | {"alg": algorithm}})


def recipient(algorithm, encryption, curve):
    if algorithm.startswith("RSA"):
        return jwk.RSAKey.generate_key(2048)
    if curve:
        return (jwk.OKPKey if curve == "X25519" else jwk.ECKey).generate_key(curve)
    direct = {"A128GCM": 128, "A256GCM": 256, "A128CBC-HS256": 256, "A256CBC-HS512": 512}
    bits = direct[encryption] if algorithm == "dir" else int(algorithm[1:4])
    return jwk.OctKey.generate_key(bits)


def decrypt(token, jwk):
    algorithms = [jwk["alg"], *ENCRYPTIONS]
    try:
        content = jwe.decrypt_compact(token, import_key(jwk), algorithms=algorithms).plaintext
        return json.dumps({"content": content.decode()})
    except JoseError as error:
        return answer(error)
    except Exception as error:
        return answer(error, "not meant: ")


ENCRYPTIONS = ["A128GCM", "A256GCM", "A128CBC-HS256", "A256CBC-HS512"]


def reply(question):
    if "mint" in question:
        return mint(**question["mint"])
    if "sign" in question:
        return sign(**question["sign"])
    if "encrypt" in question:
        return encrypt(**question["encrypt"])
    if "decrypt" in question:
        return decrypt(**question["decrypt"])
    return check(**question)


for line in sys.stdin:
    print(reply(json.loads(line)), flush=True)
