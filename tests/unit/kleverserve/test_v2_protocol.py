"""Requests and answers of the Open Inference Protocol, without a server."""

from typing import Any

import numpy as np
import orjson
import pytest

from kleverserve.errors import InvalidRequestError
from kleverserve.model import TensorSpec
from kleverserve.protocol import encode_response, model_metadata, parse_request
from kleverserve.tensors import Datatype
from support.echo_model import EchoModel
from support.v2_client import tensor

MODEL = EchoModel([TensorSpec("X", Datatype.FP32, (-1, 2)), TensorSpec("ids", Datatype.INT64, None)])
X = tensor("X", "FP32", [1, 2], [1, 2])
IDS = tensor("ids", "INT64", [1], [7])


def body(**fields: Any) -> bytes:
    return orjson.dumps({"inputs": [X, IDS]} | fields)


def test_a_request_is_answered_with_its_id_and_the_requested_outputs() -> None:
    request = parse_request(body(id="42", outputs=[{"name": "ids_out", "parameters": {"any": 1}}]), MODEL)
    results = MODEL.predict(request.inputs, [spec.name for spec in request.outputs])
    answer = orjson.loads(encode_response(request, results, model_name="m", model_version="v2").body)
    assert answer == {
        "model_name": "m",
        "model_version": "v2",
        "id": "42",
        "outputs": [{"name": "ids_out", "datatype": "INT64", "shape": [1], "data": [7]}],
    }


@pytest.mark.parametrize("fields", [{}, {"outputs": []}, {"outputs": None}])
def test_all_outputs_are_returned_in_the_models_order_by_default(fields: dict[str, Any]) -> None:
    request = parse_request(body(**fields), MODEL)
    assert [spec.name for spec in request.outputs] == ["X_out", "ids_out"]


def test_an_answer_without_an_id_has_none() -> None:
    request = parse_request(body(), MODEL)
    results = {"X_out": np.zeros((1, 2), np.float32), "ids_out": np.array(3)}
    answer = orjson.loads(encode_response(request, results, model_name="m", model_version="v2").body)
    assert "id" not in answer
    assert answer["outputs"][1] == {"name": "ids_out", "datatype": "INT64", "shape": [], "data": [3]}


def test_a_tensor_of_unknown_rank_accepts_any_shape() -> None:
    wide = tensor("ids", "INT64", [1, 1, 3], [[[1, 2, 3]]])
    assert parse_request(body(inputs=[X, wide]), MODEL).inputs["ids"].shape == (1, 1, 3)


def test_metadata_lists_tensors_and_their_parameters() -> None:
    model = EchoModel([TensorSpec("p", Datatype.FP32, (-1, 2))])
    model.outputs = [TensorSpec("p", Datatype.FP32, (-1, 2), {"classes": '["a","b"]'})]
    assert model_metadata(model, name="m", version="v2") == {
        "name": "m",
        "versions": ["v2"],
        "platform": "test_echo",
        "inputs": [{"name": "p", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [
            {"name": "p", "datatype": "FP32", "shape": [-1, 2], "parameters": {"classes": '["a","b"]'}},
        ],
    }


@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        (b"", "not valid JSON"),
        (b'{"inputs": [', "not valid JSON"),
        (b'{"inputs": NaN}', "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[1]", "the request must be a JSON object"),
        (b"{}", "'inputs' must be an array of tensors; this model has 'X', 'ids'"),
        (body(id=7), "'id' must be a string"),
        (body(parameters=[]), "'parameters' must be a JSON object"),
        (body(inputs={}), "'inputs' must be an array"),
        (body(inputs=[1]), "inputs[0] must be a JSON object"),
        (body(inputs=[{"datatype": "FP32"}]), "inputs[0] needs a 'name'; this model has 'X', 'ids'"),
        (body(inputs=[]), "input 'X' is missing; this model has 'X', 'ids'"),
        (body(inputs=[X]), "input 'ids' is missing"),
        (body(inputs=[X, IDS, IDS | {"name": "Z"}]), "inputs[2] is 'Z'; this model has 'X', 'ids'"),
        (body(inputs=[X, X, IDS]), "input 'X' appears twice"),
        (body(inputs=[X | {"datatype": "FP64"}, IDS]), "datatype 'FP64', but the model requires FP32"),
        (body(inputs=[X | {"datatype": None}, IDS]), "no datatype, but the model requires FP32"),
        (body(inputs=[X | {"shape": [2]}, IDS]), "has shape [2], but the model requires [-1, 2]"),
        (body(inputs=[X | {"shape": [1, 3]}, IDS]), "has shape [1, 3], but the model requires [-1, 2]"),
        (body(inputs=[X | {"shape": [-1, 2]}, IDS]), "needs 'shape', an array of non-negative integers"),
        (body(inputs=[X, tensor("ids", "INT64", [0, 2**60], [])]), "has an impossible shape"),
        (body(inputs=[X, tensor("ids", "INT64", [1] * 65, [7])]), "has an impossible shape"),
        (body(inputs=[X | {"shape": [1.0, 2]}, IDS]), "needs 'shape'"),
        (body(inputs=[X | {"shape": None}, IDS]), "needs 'shape'"),
        (body(inputs=[X | {"data": [1, 2, 3]}, IDS]), "has 3 values in 'data', but its shape [1, 2] needs 2"),
        (body(outputs={}), "'outputs' must be an array"),
        (body(outputs=["X_out"]), "outputs[0] must be a JSON object"),
        (body(outputs=[{"name": "nope"}]), "outputs[0] is 'nope'; this model has 'X_out', 'ids_out'"),
        (body(outputs=[{"name": "X_out"}] * 2), "output 'X_out' is requested twice"),
    ],
)
def test_a_bad_request_is_refused_with_the_expected_input(request_body: bytes, message: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_request(request_body, MODEL)
    assert message in str(refused.value)
