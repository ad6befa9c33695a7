"""Infer requests as bytes: values that JSON cannot express follow it, and the JSON is always valid."""

import json
import math
from typing import Any

import numpy as np
import pytest

from klever.errors import InputError
from klever.infer_bodies import HEADER, encoded, to_json
from klever.tensors import infer_request
from klever.values import read_values
from kleverserve import binary
from kleverserve.tensors import Datatype


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def sent(body: bytes, headers: dict[str, str]) -> tuple[Any, binary.Parts]:
    """A body as the model server parses it; the JSON is parsed strictly by the standard."""
    head, parts = binary.split(body, int(headers[HEADER]) if HEADER in headers else None)
    return json.loads(head, parse_constant=refuse), parts


def tensor(datatype: str, data: list[Any], name: str = "x") -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
def test_nan_and_infinities_are_sent_as_raw_tensors(datatype: str) -> None:
    values = [1.5, math.nan, math.inf, -math.inf, None]
    request = {"inputs": [tensor("INT64", [1, 2], "n"), tensor(datatype, values), tensor(datatype, [0.5], "y")]}
    head, parts = sent(*encoded(request))
    integers, raw, other = head["inputs"]
    assert (integers["data"], other["data"]) == ([1, 2], [0.5])
    assert "data" not in raw
    size = raw["parameters"]["binary_data_size"]
    arrived = binary.decode(parts.take(size, "x"), name="x", datatype=Datatype(datatype), shape=raw["shape"])
    parts.finish()
    assert np.array_equal(arrived, np.array([1.5, np.nan, np.inf, -np.inf, np.nan]), equal_nan=True)


def test_values_that_json_supports_stay_json() -> None:
    request = {"inputs": [tensor("FP32", [1.5, None]), tensor("BYTES", ["NaN"], "s")], "id": "7"}
    body, headers = encoded(request)
    assert json.loads(body) == request
    assert headers == {"Content-Type": "application/json"}


def test_the_arrays_of_an_npz_file_with_gaps_are_sent(tmp_path: Any) -> None:
    path = tmp_path / "rows.npz"
    np.savez(path, x=np.array([[1.0, np.nan]], np.float32))
    metadata = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]}
    head, parts = sent(*encoded(infer_request({"": read_values(path)}, metadata)))
    raw = parts.take(head["inputs"][0]["parameters"]["binary_data_size"], "x")
    assert np.array_equal(np.frombuffer(raw, "<f4"), [1.0, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("datatype", "data", "reason"),
    [
        ("INT64", [math.nan], "neither NaN"),
        ("FP32", [math.nan, 1e300], "are not all FP32"),
        ("FP32", [math.nan, "a"], "are not all FP32"),
    ],
)
def test_unsupported_values_are_reported(datatype: str, data: list[Any], reason: str) -> None:
    with pytest.raises(InputError, match=f"input x .*{reason}|values of input x {reason}"):
        encoded({"inputs": [tensor(datatype, data)]})


def test_other_requests_contain_only_valid_json() -> None:
    with pytest.raises(InputError, match="NaN or infinite, which JSON cannot represent"):
        to_json({"samples": {"x": [math.inf]}})
