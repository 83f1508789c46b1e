"""Revokes tokens as Authlib does, one line of JSON at a time: `ok`, or `no: <status> <error>`."""

import json
import os
import sys

from authlib.integrations.requests_client import OAuth2Session

# Authlib wants TLS, also on loopback.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"


def revoke(endpoint, method, client_id, client_secret, token, hint=None):
    session = OAuth2Session(client_id, client_secret, revocation_endpoint_auth_method=method)
    response = session.revoke_token(endpoint, token=token, token_type_hint=hint)
    if response.status_code == 200:
        return "ok"
    return f"no: {response.status_code} {response.json()['error']}"


for line in sys.stdin:
    print(revoke(**json.loads(line)), flush=True)
