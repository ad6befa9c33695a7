"""The bodies of infer requests: JSON, followed by raw tensors if JSON cannot represent a value.

JSON has neither NaN nor infinities. Inputs that contain them follow the JSON as bytes, in the format of the binary
tensor data extension of the Open Inference Protocol: row-major, little-endian, their sizes in `binary_data_size`.
"""

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

from .errors import InputError

HEADER = "Inference-Header-Content-Length"
JSON, OCTETS = "application/json", "application/octet-stream"
_CODES = {"FP16": "e", "FP32": "f", "FP64": "d"}


def encoded(request: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of an infer request. Raises InputError if a value cannot be represented."""
    raw: list[bytes] = []
    inputs = [_input(tensor, raw) for tensor in request.get("inputs", ())]
    head = to_json({**request, "inputs": inputs}).encode()
    if not raw:
        return head, {"Content-Type": JSON}
    return b"".join((head, *raw)), {"Content-Type": OCTETS, HEADER: str(len(head))}


def to_json(value: Any) -> str:
    """Return standard JSON. Raises InputError for NaN and infinities."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise InputError("a value is NaN or infinite, which JSON cannot represent: omit it, or write null") from error


def _input(tensor: Mapping[str, Any], raw: list[bytes]) -> Mapping[str, Any]:
    """Return the tensor for the JSON part; values that JSON cannot represent are added to `raw`."""
    data = tensor.get("data")
    if not isinstance(data, list) or not any(isinstance(each, float) and not math.isfinite(each) for each in data):
        return tensor
    code = _CODES.get(tensor["datatype"])
    if code is None:
        raise InputError(f"input {tensor['name']} is {tensor['datatype']}, which has neither NaN nor infinity")
    try:
        values = (math.nan if each is None else each for each in data)
        raw.append(struct.pack(f"<{len(data)}{code}", *values))
    except (struct.error, OverflowError) as error:
        raise InputError(f"the values of input {tensor['name']} are not all {tensor['datatype']}: {error}") from error
    size = {"parameters": {**tensor.get("parameters", {}), "binary_data_size": len(raw[-1])}}
    return {name: value for name, value in tensor.items() if name != "data"} | size
