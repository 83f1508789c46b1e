"""What openapi-spec-validator thinks of OpenAPI documents, one line of JSON at a time: `ok` or `no: <reason>`."""

import json
import sys

from openapi_spec_validator import validate

for line in sys.stdin:
    try:
        validate(json.loads(line))
        print("ok")
    except Exception as error:
        print("no:", type(error).__name__, str(error).splitlines()[0])
