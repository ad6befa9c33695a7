"""Tensors as raw bytes, without a server."""

from typing import Any

import numpy as np
import orjson
import pytest

from kleverserve import binary
from kleverserve.errors import ExecutionError, InvalidRequestError
from kleverserve.model import TensorSpec
from kleverserve.protocol import encode_response, parse_request
from kleverserve.tensors import Array, Datatype
from support.echo_model import EchoModel

MODEL = EchoModel([TensorSpec("a", Datatype.FP32, (-1, 2)), TensorSpec("b", Datatype.BYTES, (-1,))])
A = np.array([[1, 2], [3, 4]], np.float32)
TEXTS = binary.encode(np.array(["x", "grüß", ""], object), name="b", datatype=Datatype.BYTES)


def described(name: str, datatype: str, shape: list[int], size: object) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}


def parsed(raw: bytes, *inputs: dict[str, Any], **more: Any) -> Any:
    head = orjson.dumps({"inputs": list(inputs), **more})
    return parse_request(head + raw, MODEL, len(head))


@pytest.mark.parametrize(
    ("array", "datatype"),
    [
        (np.array([[True, False]]), Datatype.BOOL),
        (np.array([1, -2], np.int16), Datatype.INT16),
        (np.array([2**64 - 1], np.uint64), Datatype.UINT64),
        (np.array([1.5, np.nan, np.inf], np.float16), Datatype.FP16),
        (np.array([], np.float64), Datatype.FP64),
        (np.array([["ä", ""], ["b", "long" * 100]], object), Datatype.BYTES),
    ],
)
def test_tensors_survive_a_round_trip(array: Array, datatype: Datatype) -> None:
    raw = binary.encode(array, name="x", datatype=datatype)
    tensors = binary.decode(memoryview(raw), name="x", datatype=datatype, shape=array.shape)
    assert tensors.dtype == array.dtype
    np.testing.assert_array_equal(tensors, array)


def test_numbers_are_little_endian_and_texts_are_preceded_by_their_length() -> None:
    assert binary.encode(np.array([258], ">i4"), name="x", datatype=Datatype.INT32) == b"\x02\x01\x00\x00"
    assert binary.encode(np.array(["ab"], object), name="x", datatype=Datatype.BYTES) == b"\x02\x00\x00\x00ab"


def test_raw_and_plain_inputs_can_be_mixed() -> None:
    plain = {"name": "a", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4]}
    request = parsed(TEXTS, plain, described("b", "BYTES", [3], len(TEXTS)))
    np.testing.assert_array_equal(request.inputs["a"], A)
    assert request.inputs["b"].tolist() == ["x", "grüß", ""]
    assert request.inputs["a"].flags.writeable


@pytest.mark.parametrize(
    ("more", "raw"),
    [
        ({}, set()),
        ({"parameters": {"binary_data_output": True}}, {"a_out", "b_out"}),
        ({"outputs": [{"name": "b_out", "parameters": {"binary_data": True}}, {"name": "a_out"}]}, {"b_out"}),
        (
            {
                "outputs": [{"name": "b_out", "parameters": {"binary_data": False}}, {"name": "a_out"}],
                "parameters": {"binary_data_output": True},
            },
            {"a_out"},
        ),
    ],
)
def test_each_output_has_the_requested_encoding(more: dict[str, Any], raw: set[str]) -> None:
    given = (described("a", "FP32", [2, 2], 16), described("b", "BYTES", [3], len(TEXTS)))
    request = parsed(A.tobytes() + TEXTS, *given, **more)
    results = MODEL.predict(request.inputs, [spec.name for spec in request.outputs])
    answer = encode_response(request, results, model_name="m", model_version="v")
    outputs = orjson.loads(answer.body[: answer.header_length])["outputs"]
    assert {output["name"] for output in outputs if "data" not in output} == raw
    sizes = [output["parameters"]["binary_data_size"] for output in outputs if "data" not in output]
    assert (answer.header_length is None) == (not raw)
    assert len(answer.body) - (answer.header_length or len(answer.body)) == sum(sizes)


@pytest.mark.parametrize(
    ("raw", "inputs", "complaint"),
    [
        (b"\0" * 15, [described("a", "FP32", [2, 2], 16)], "only 15 bytes of the body are left for it"),
        (b"\0" * 17, [described("a", "FP32", [2, 2], 17)], "has 17 bytes, but FP32 [2, 2] needs 16"),
        (b"\0" * 16, [described("a", "FP32", [2, 2], -16)], "must be a number of bytes"),
        (b"\0" * 16, [described("a", "FP32", [2, 2], 16) | {"data": [1]}], "send one of them"),
        (b"\0" * 3, [described("b", "BYTES", [1], 3)], "ends within element 0"),
        (b"\x09\0\0\0ab", [described("b", "BYTES", [1], 6)], "ends within element 0"),
        (b"\x01\0\0\0\xff", [described("b", "BYTES", [1], 5)], "element 0 of input 'b' is not UTF-8"),
        (b"\x01\0\0\0a", [described("b", "BYTES", [2], 5)], "has 1 elements, but its shape needs 2"),
    ],
)
def test_inconsistent_sizes_are_refused_with_the_expected_ones(
    raw: bytes, inputs: list[dict[str, Any]], complaint: str
) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        parsed(raw, *inputs)
    assert complaint in str(raised.value)


def test_bytes_that_belong_to_no_input_are_refused() -> None:
    given = (described("a", "FP32", [2, 2], 16), described("b", "BYTES", [3], len(TEXTS)))
    with pytest.raises(InvalidRequestError, match="2 bytes more"):
        parsed(A.tobytes() + TEXTS + b"\0\0", *given)
    flag = {"parameters": {"binary_data_output": 1}}
    with pytest.raises(InvalidRequestError, match="'binary_data_output' must be true or false"):
        parsed(A.tobytes() + TEXTS, *given, **flag)


def test_an_output_that_is_not_text_is_an_execution_error() -> None:
    with pytest.raises(ExecutionError, match="neither text nor bytes"):
        binary.encode(np.array([object()], object), name="x", datatype=Datatype.BYTES)
