"""Tensors to and from JSON data."""

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from kleverserve.errors import ExecutionError, InvalidRequestError
from kleverserve.tensors import NUMPY_TYPES, Datatype, decode, encode


def through_json(array: np.ndarray[Any, Any], datatype: Datatype) -> np.ndarray[Any, Any]:
    text = orjson.dumps(encode(array, name="x"), option=orjson.OPT_SERIALIZE_NUMPY)
    return decode(orjson.loads(text), name="x", datatype=datatype, shape=array.shape)


@given(data=st.data(), datatype=st.sampled_from([d for d in Datatype if d is not Datatype.BYTES]))
def test_every_finite_tensor_survives_json_bit_for_bit(data: st.DataObject, datatype: Datatype) -> None:
    dtype = NUMPY_TYPES[datatype]
    array = data.draw(
        npst.arrays(
            dtype, npst.array_shapes(min_dims=0), elements=npst.from_dtype(dtype, allow_nan=False, allow_infinity=False)
        )
    )
    again = through_json(array, datatype)
    assert again.dtype == dtype
    np.testing.assert_array_equal(again, array, strict=True)


@pytest.mark.parametrize("datatype", [Datatype.FP16, Datatype.FP32, Datatype.FP64])
def test_null_is_nan_both_ways_and_infinity_becomes_null(datatype: Datatype) -> None:
    array = decode([None, 1.5], name="x", datatype=datatype, shape=[2])
    assert np.isnan(array[0])
    both = np.array([np.nan, np.inf, -np.inf, 1.5], dtype=NUMPY_TYPES[datatype])
    assert orjson.dumps(encode(both, name="x"), option=orjson.OPT_SERIALIZE_NUMPY) == b"[null,null,null,1.5]"


def test_strings_are_returned_as_text() -> None:
    array = decode([["a", "ü"], ["", "d"]], name="x", datatype=Datatype.BYTES, shape=[2, 2])
    assert array.dtype == object
    assert encode(array, name="x") == ["a", "ü", "", "d"]
    assert encode(np.array([b"raw"], dtype=object), name="x") == ["raw"]


def test_bytes_that_are_not_text_are_a_failure_of_the_model() -> None:
    with pytest.raises(ExecutionError, match="output 'y' contains bytes that are not UTF-8"):
        encode(np.array([b"\xff"], dtype=object), name="y")


def test_a_transposed_result_is_written_in_row_major_order() -> None:
    assert list(encode(np.arange(6).reshape(2, 3).T, name="x")) == [0, 3, 1, 4, 2, 5]


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]]])
def test_flat_and_nested_data_are_equivalent(data: list[Any]) -> None:
    array = decode(data, name="x", datatype=Datatype.INT32, shape=[2, 3])
    assert array.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(("shape", "data"), [([0, 4], []), ([2, 0], [[], []]), ([2, 0], [])])
def test_empty_tensors_are_valid(shape: list[int], data: list[Any]) -> None:
    assert decode(data, name="x", datatype=Datatype.FP32, shape=shape).shape == tuple(shape)


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "message"),
    [
        ("FP32", [2], None, "needs 'data', a JSON array"),
        ("FP32", [2], 1.0, "needs 'data', a JSON array"),
        ("FP32", [2], [1.0], "has 1 values in 'data', but its shape [2] needs 2"),
        ("FP32", [2, 2], [[1, 2], [3]], "at depth 1 not every array has 2 items"),
        ("FP32", [2, 2], [[1, 2], 3], "at depth 1 not every array has 2 items"),
        ("FP32", [2, 2], [[1, 2]], "at depth 0 not every array has 2 items"),
        ("FP32", [1], [[1]], "value 0 is [1]"),
        ("FP32", [2], [1, "2"], "requires numbers (null for NaN), but value 1 is '2'"),
        ("FP32", [1], [True], "value 0 is True"),
        ("FP32", [1], [1e39], "a number too large for FP32"),
        ("FP16", [1], [70000], "a number too large for FP16"),
        ("INT32", [1], [1.0], "requires integers, but value 0 is 1.0"),
        ("INT32", [1], [None], "requires integers, but value 0 is None"),
        ("INT8", [2], [0, 128], "outside the range of INT8, from -128 to 127"),
        ("UINT8", [1], [-1], "outside the range of UINT8, from 0 to 255"),
        ("INT64", [1], [2**63], "outside the range of INT64"),
        ("BOOL", [1], [1], "requires true or false, but value 0 is 1"),
        ("BYTES", [1], [1], "requires strings, but value 0 is 1"),
    ],
)
def test_data_that_does_not_fit_is_refused_with_the_reason(
    datatype: str, shape: list[int], data: object, message: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        decode(data, name="x", datatype=Datatype(datatype), shape=shape)
    assert "'x'" in str(refused.value)
    assert message in str(refused.value)
