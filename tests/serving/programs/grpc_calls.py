"""Calls with no argument but a model's name: address, model, metadata in JSON, methods; prints each status code."""

import json
import sys

import grpc  # type: ignore[import-untyped]  # only in its toolchain


def main(address: str, model: str, metadata: str, *methods: str) -> None:
    """Print a JSON object from method to status code."""
    given = tuple(json.loads(metadata).items())
    codes = {}
    with grpc.insecure_channel(address) as channel:
        for method in methods:
            try:
                channel.unary_unary(method)(request_of(method, model), metadata=given, timeout=20)
            except grpc.RpcError as error:
                codes[method] = error.code().name
            else:
                codes[method] = "OK"
    print(json.dumps(codes))


def request_of(method: str, model: str) -> bytes:
    """A request: the model's name is field 2 of those to the repository, and field 1 of the others that have one."""
    if "Setting" in method:
        return b""
    field = b"\x12" if "Repository" in method else b"\x0a"
    return field + bytes([len(model)]) + model.encode()


if __name__ == "__main__":
    main(*sys.argv[1:])
