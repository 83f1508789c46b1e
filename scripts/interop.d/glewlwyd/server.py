"""Runs Debian's glewlwyd on loopback, with a database and keys of its own in a temporary directory: `server.py`. Says
`listening <issuer>` once it does, on the port `PORT` or a free one.

The clients `shop-RS256`, `shop-ES256` and `shop-EdDSA`, all with the secret `secret of the shop`, get access tokens (JWTs)
signed that way: by client credentials, and by the password grant for `alice` with the password `correct horse`. The
client `orders-api`, with the secret `secret-of-the-API`, introspects and revokes them; with `OWN_TOKENS_ONLY=1` each
client does so with its own tokens alone. `RESOURCE` is the audience, and a client of that name is like `orders-api`. The
issuer is always `http://127.0.0.1:<port>/api/oidc`.
"""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

RESOURCE = os.environ.get("RESOURCE", "https://api.example.com")
SCOPES = ["things:read", "things:write"]
ALGORITHMS = {"RS256": "rsa2048", "ES256": "ec256", "EdDSA": "ed25519"}
TABLES = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3"


def main():
    """The caller may kill this process, and then glewlwyd has to end and its directory to go: a second process sees to
    both. It waits for the end of a pipe that only this process keeps open, and gets no signals of its group."""
    reader, writer = os.pipe()
    if os.fork():
        os.close(reader)
        os.wait()
        return
    os.close(writer)
    os.setsid()
    directory = tempfile.mkdtemp(prefix="glewlwyd-")
    glewlwyd = None
    try:
        port = int(os.environ.get("PORT", 0)) or free_port()
        make_database(f"{directory}/db")
        with open(f"{directory}/conf", "w") as file:
            file.write(configuration(directory, port))
        glewlwyd = subprocess.Popen(["glewlwyd", f"--config-file={directory}/conf"], stdout=sys.stderr)
        issuer = configure(f"http://127.0.0.1:{port}/api", keys(directory), glewlwyd)
        print(f"listening {issuer}", flush=True)
        os.read(reader, 1)
    finally:
        if glewlwyd:
            glewlwyd.terminate()
            glewlwyd.wait()
        shutil.rmtree(directory)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def make_database(path):
    """The tables of the package, with its administrator. Clients get a property more: the key that signs for them."""
    database = sqlite3.connect(path)
    database.executescript(open(TABLES).read())
    database.execute(
        "UPDATE g_client_module_instance SET gcmi_parameters = replace(gcmi_parameters, ?, ?)",
        ('"data-format":{', '"data-format":{"sign_kid":{"multiple":false,"read":true,"write":true},'),
    )
    database.commit()
    database.close()


def configuration(directory, port):
    modules = "\n".join(
        f'{name}_module_path="/usr/lib/glewlwyd/{folder}"'
        for name, folder in [
            ("user", "user"),
            ("client", "client"),
            ("user_auth_scheme", "scheme"),
            ("plugin", "plugin"),
        ]
    )
    return f"""
port={port}
bind_address="127.0.0.1"
external_url="http://127.0.0.1:{port}"
api_prefix="api"
log_mode="file"
log_level="WARNING"
log_file="{directory}/log"
admin_scope="g_admin"
profile_scope="g_profile"
hash_algorithm="SHA512"
{modules}
database = {{ type = "sqlite3"; path = "{directory}/db"; }};
"""


def keys(directory):
    """The private keys as a JWK set, each named after its algorithm."""
    each = [["-g", kind, "-k", name, "-a", name] for name, kind in ALGORITHMS.items()]
    path = f"{directory}/keys"
    # The public keys would be the second output.
    command = ["rnbyc", "-j", *sum(each, []), "-o", path, "-p", "/dev/null"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return open(path).read()


def configure(api, jwks, glewlwyd):
    deadline = time.monotonic() + 60
    administrator = {"username": "admin", "password": "password"}
    while True:
        try:
            cookie = call(f"{api}/auth/", administrator).headers["Set-Cookie"].split(";")[0]
            break
        except (ConnectionError, urllib.error.URLError):
            if glewlwyd.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("glewlwyd does not come up")
            time.sleep(0.02)

    for name in SCOPES:
        call(f"{api}/scope", {"name": name, "display_name": name, "password_required": False}, cookie)
    alice = {"username": "alice", "password": "correct horse", "scope": ["openid", *SCOPES], "enabled": True}
    call(f"{api}/user", alice, cookie)
    for name in ALGORITHMS:
        shop = client(f"shop-{name}", "secret of the shop", ["client_credentials", "password"])
        call(f"{api}/client", shop | {"scope": SCOPES, "sign_kid": name}, cookie)
    for name in ["orders-api", RESOURCE]:
        api_client = client(name, "secret-of-the-API", ["client_credentials"])
        call(f"{api}/client", api_client | {"scope": SCOPES}, cookie)
    issuer = f"{api}/oidc"
    plugin = {"module": "oidc", "name": "oidc", "display_name": "oidc", "parameters": parameters(issuer, jwks)}
    call(f"{api}/mod/plugin", plugin, cookie)
    return issuer


def client(name, secret, grants):
    return {
        "client_id": name,
        "client_name": name,
        "client_secret": secret,
        "confidential": True,
        "enabled": True,
        "authorization_type": grants,
        "token_endpoint_auth_method": ["client_secret_basic", "client_secret_post"],
    }


def parameters(issuer, jwks):
    return {
        "iss": issuer,
        "jwks-private": jwks,
        "jwks-show": True,
        "client-sign_kid-parameter": "sign_kid",
        "access-token-duration": 3600,
        "refresh-token-duration": 1209600,
        "code-duration": 600,
        "allow-non-oidc": True,
        "auth-type-client-enabled": True,
        "auth-type-password-enabled": True,
        "resource-allowed": True,
        "resource-scope": {scope: [RESOURCE] for scope in SCOPES},
        "introspection-revocation-allowed": True,
        "introspection-revocation-allow-target-client": True,
        # Where a scope is named, clients that authenticate by Basic may introspect tokens of other clients too.
        "introspection-revocation-auth-scope": [] if os.environ.get("OWN_TOKENS_ONLY") else ["g_admin"],
    }


def call(url, body, cookie=""):
    headers = {"Content-Type": "application/json", "Cookie": cookie}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        return urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{url}: {error.code} {error.read().decode()}")


main()
