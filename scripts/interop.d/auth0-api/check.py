"""What auth0-api-python thinks of requests with DPoP proofs, one line of JSON at a time: `ok` or `no: <reason>`.

Authlib has no DPoP of its own (1.9). This library checks proofs with Authlib's JOSE. It knows ES256 only. The token is
not verified here, because the library knows RS256 only; its claims are read.
"""

import asyncio
import json
import sys
import time

from auth0_api_python import ApiClient, ApiClientOptions
from auth0_api_python.errors import BaseAuthError
from auth0_api_python.utils import get_unverified_payload

WINDOW = 300

client = ApiClient(
    ApiClientOptions(
        domain="id.example.com",
        audience="https://api.example.com",
        dpop_required=True,
        dpop_iat_offset=WINDOW,
        dpop_iat_leeway=WINDOW,
    )
)


async def claims_of(token, **_):
    return get_unverified_payload(token)


client.verify_access_token = claims_of


async def check(method, url, token, proofs, now):
    # The library cannot be told the time; this is where it looks.
    time.time = lambda: now
    # As frameworks join fields of one name.
    headers = {"authorization": f"DPoP {token}", "dpop": ", ".join(proofs)}
    try:
        await client.verify_request(headers, method, url)
    except BaseAuthError as error:
        return answer(error)
    except Exception as error:
        return answer(error, "not meant: ")
    return "ok"


def answer(error, how=""):
    # In ASCII and on one line: the text may be the proof's.
    return ascii(f"no: {how}{type(error).__name__}: {error}")[1:-1]


async def main():
    for line in sys.stdin:
        print(await check(**json.loads(line)), flush=True)


asyncio.run(main())
