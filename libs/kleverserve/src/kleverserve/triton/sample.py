"""A sample that the model itself accepted, stored in a file to test Triton with it."""

import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from kleverserve.binary import encode
from kleverserve.model import TensorSpec
from kleverserve.protocol import BINARY_SIZE
from kleverserve.routes import BINARY_HEADER
from kleverserve.tensors import Array
from kleverserve.trial import SECONDS

SERVER_ERROR = 500


def write_sample(file: Path, inputs: Mapping[str, Array], specs: Sequence[TensorSpec]) -> None:
    """Write an inference request with raw tensors, after a line with the length of its JSON."""
    raw = {spec.name: encode(inputs[spec.name], name=spec.name, datatype=spec.datatype) for spec in specs}
    tensors: list[dict[str, Any]] = [
        {
            "name": spec.name,
            "datatype": spec.datatype,
            "shape": list(inputs[spec.name].shape),
            "parameters": {BINARY_SIZE: len(raw[spec.name])},
        }
        for spec in specs
    ]
    document = orjson.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}})
    file.write_bytes(b"".join((b"%d\n" % len(document), document, *raw.values())))


def refusal(file: Path, url: str) -> str | None:
    """Return the error of a server on the sample; None if it accepts the sample, or responds with a client error.

    Client errors may come from rules of the server itself, such as one about empty texts.
    """
    length, _, body = file.read_bytes().partition(b"\n")
    headers = {BINARY_HEADER: length.decode(), "Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - http, and on this machine
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=SECONDS):
            return None
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace") if error.code >= SERVER_ERROR else None
    except OSError as error:
        return f"no answer within {SECONDS:g} s: {error}"
