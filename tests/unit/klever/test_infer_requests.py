from typing import Any

import numpy as np
import pytest

from klever.errors import InputError
from klever.tensors import infer_request, rows


def takes(shape: list[int], datatype: str = "FP32") -> dict[str, Any]:
    return {"inputs": [{"name": "x", "datatype": datatype, "shape": shape}]}


@pytest.mark.parametrize(
    ("value", "shape", "datatype", "sent_shape", "data"),
    [
        ([[1.5, 2], [3, 4]], [-1, 2], "FP32", [2, 2], [1.5, 2, 3, 4]),
        ([1.5, 2], [-1, 2], "FP32", [1, 2], [1.5, 2]),
        (["a", "b"], [-1], "BYTES", [2], ["a", "b"]),
        (7, [1], "INT64", [1], [7]),
        ([[[1], [2]]], [-1, 2, 1], "INT8", [1, 2, 1], [1, 2]),
        ([1, 2, 3], [], "INT64", [3], [1, 2, 3]),
        (np.array([[1.5, 2]], np.float32), [-1, 2], "FP32", [1, 2], [1.5, 2]),
        (np.int64(7), [1], "INT64", [1], [7]),
    ],
    ids=["batch", "one row", "strings", "one number", "deep", "unknown rank", "array", "NumPy's number"],
)
def test_a_value_becomes_the_tensor_that_the_model_takes(
    value: Any, shape: list[int], datatype: str, sent_shape: list[int], data: list[Any]
) -> None:
    request = infer_request({"x": value}, takes(shape, datatype))
    assert request == {"inputs": [{"name": "x", "datatype": datatype, "shape": sent_shape, "data": data}]}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"y": [1]}, r"no input y; its inputs are x \(FP32 \[-1, 2\]\)"),
        ({}, "input x is missing: add it with --input x="),
        ({"x": [[1, 2], [3]]}, "ragged"),
        ({"x": [[1, 2, 3]]}, r"has shape \[1, 3\], the model requires \[-1, 2\]"),
    ],
    ids=["unknown", "missing", "ragged", "shape"],
)
def test_values_that_do_not_fit_are_explained(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        infer_request(values, takes([-1, 2]))


def test_a_request_of_the_protocol_is_sent_unchanged() -> None:
    request = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}], "id": "7"}
    assert infer_request({"": request}, takes([-1, 2])) == request


def test_values_for_an_input_named_inputs_are_not_a_request() -> None:
    metadata = {"inputs": [{"name": "inputs", "datatype": "FP32", "shape": [-1, 2]}]}
    request = infer_request({"": {"inputs": [[1, 2]]}}, metadata)
    assert request["inputs"][0]["data"] == [1, 2]


def test_an_answer_is_read_row_by_row() -> None:
    assert rows({"shape": [2, 3], "data": [1, 2, 3, 4, 5, 6]}) == [[1, 2, 3], [4, 5, 6]]
    assert rows({"shape": [2], "data": [1, 2]}) == [1, 2]
