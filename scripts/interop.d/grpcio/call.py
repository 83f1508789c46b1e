"""Calls a gRPC method of the server at the given address, once for each line of JSON, and says what came.

A line is the value of `authorization`, or null for none.
"""

import json
import sys

import grpc

channel = grpc.insecure_channel(sys.argv[1])
method = channel.unary_unary("/shop.Orders/Handle", request_serializer=bytes, response_deserializer=bytes)

for line in sys.stdin:
    field = json.loads(line)
    metadata = [] if field is None else [("authorization", field)]
    try:
        answer = {"code": "OK", "message": method(b"", metadata=metadata, timeout=20).decode()}
    except grpc.RpcError as error:
        seen = dict(error.trailing_metadata() or ()) | dict(error.initial_metadata() or ())
        answer = {
            "code": error.code().name,
            "message": error.details(),
            "challenge": seen.get("www-authenticate"),
            "has_details": "grpc-status-details-bin" in seen,
        }
    print(json.dumps(answer), flush=True)
