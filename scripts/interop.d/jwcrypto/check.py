"""Encrypts and decrypts with jwcrypto, one line of JSON at a time.

A line with `encrypt` asks for an encrypted token, with the private key. A line with `decrypt` asks for the content of a
token of ours.
"""

import json
import sys

from jwcrypto import jwe, jwk


def encrypt(algorithm, encryption, curve, parties, content):
    key = recipient(algorithm, encryption, curve)
    header = {"alg": algorithm, "enc": encryption} | (parties if curve else {})
    token = jwe.JWE(content.encode(), json.dumps(header), algs=[algorithm, encryption])
    token.add_recipient(key)
    private = key.export(private_key=True, as_dict=True)
    return json.dumps({"token": token.serialize(compact=True), "jwk": private | {"alg": algorithm}})


def recipient(algorithm, encryption, curve):
    if algorithm.startswith("RSA"):
        return jwk.JWK.generate(kty="RSA", size=2048)
    if curve:
        return jwk.JWK.generate(kty="OKP" if curve == "X25519" else "EC", crv=curve)
    direct = {"A128GCM": 128, "A256GCM": 256, "A128CBC-HS256": 256, "A256CBC-HS512": 512}
    bits = direct[encryption] if algorithm == "dir" else int(algorithm[1:4])
    return jwk.JWK.generate(kty="oct", size=bits)


def decrypt(token, key):
    found = jwe.JWE(algs=[key["alg"], "A128GCM", "A256GCM", "A128CBC-HS256", "A256CBC-HS512"])
    found.deserialize(token, jwk.JWK(**key))
    return json.dumps({"content": found.payload.decode()})


def reply(question):
    if "encrypt" in question:
        return encrypt(**question["encrypt"])
    return decrypt(question["decrypt"]["token"], question["decrypt"]["jwk"])


for line in sys.stdin:
    print(reply(json.loads(line)), flush=True)
