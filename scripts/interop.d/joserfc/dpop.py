"""Calls a server of ours with proofs that joserfc signs: `dpop.py <algorithm> <authorization server> <api>`.

Authlib 1.9 has no DPoP for clients either. Gets a token, calls the API twice, and fails unless it refuses a used proof,
the key of a thief, and the token alone.
"""

import base64
import hashlib
import json
import sys
import time
import urllib.error
import urllib.request
import uuid

from joserfc import jwk, jws

algorithm, server, api = sys.argv[1:4]


class Client:
    def __init__(self):
        kind, parameter = {"ES256": ("EC", "P-256"), "ES384": ("EC", "P-384"), "PS256": ("RSA", 2048)}.get(
            algorithm, ("OKP", "Ed25519")
        )
        self.key = jwk.generate_key(kind, parameter)
        self.nonces = {}

    def proof(self, method, url, token):
        jwk = {name: self.key.as_dict(private=False)[name] for name in MEMBERS[self.key.key_type]}
        claims = {"jti": str(uuid.uuid4()), "htm": method, "htu": url, "iat": int(time.time())}
        if token:
            digest = hashlib.sha256(token.encode()).digest()
            claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if origin(url) in self.nonces:
            claims["nonce"] = self.nonces[origin(url)]
        header = {"typ": "dpop+jwt", "alg": algorithm, "jwk": jwk}
        return jws.serialize_compact(header, json.dumps(claims), self.key, algorithms=[algorithm])

    def send(self, method, url, token=None):
        for _ in range(2):
            fields = {"DPoP": self.proof(method, url, token)}
            if token:
                fields["Authorization"] = f"DPoP {token}"
            self.sent = method, url, fields
            status, fields, body = send(method, url, fields)
            if "DPoP-Nonce" in fields:
                self.nonces[origin(url)] = fields["DPoP-Nonce"]
            challenge = fields.get("WWW-Authenticate", body)
            if "use_dpop_nonce" not in challenge:
                return status, challenge, body
        raise RuntimeError("no nonce was good")


def origin(url):
    return url.rsplit("/", 1)[0]


def send(method, url, fields):
    request = urllib.request.Request(url, method=method, headers=fields)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read().decode()


MEMBERS = {"EC": ["kty", "crv", "x", "y"], "OKP": ["kty", "crv", "x"], "RSA": ["kty", "n", "e"]}

client = Client()
_, _, body = client.send("POST", f"{server}/token")
token = json.loads(body)["access_token"]
for _ in range(2):
    answer = client.send("GET", f"{api}/orders", token)
    assert answer[0] == 200, answer

status, fields, _ = send(*client.sent)
assert status == 401 and "invalid_dpop_proof" in fields["WWW-Authenticate"], fields

answer = Client().send("GET", f"{api}/orders", token)
assert answer[0] == 401 and "invalid_token" in answer[1], answer

status, fields, _ = send("GET", f"{api}/orders", {"Authorization": f"Bearer {token}"})
assert status == 401 and fields["WWW-Authenticate"].startswith("DPoP "), fields
