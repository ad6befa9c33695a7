"""The Triton configuration of a model."""

import re
from collections.abc import Mapping, Sequence

import pytest

from kleverserve.errors import ModelLoadError
from kleverserve.model import TensorSpec
from kleverserve.tensors import Array, Datatype
from kleverserve.triton.config import model_config, quoted
from support.echo_model import EchoModel

BATCH_ROWS = 4096
TABLE = TensorSpec("x", Datatype.FP32, (-1, 4))


class RowWise(EchoModel):
    row_wise = True


def config(model: EchoModel, batch_rows: int = BATCH_ROWS, **parameters: str) -> str:
    return model_config(model, name="iris", instances=2, batch_rows=batch_rows, parameters=parameters)


def test_a_model_is_described_with_full_shapes_and_no_batching() -> None:
    assert config(EchoModel([TABLE]), version="v1").splitlines() == [
        'name: "iris"',
        'backend: "python"',
        "max_batch_size: 0",
        "version_policy { specific { versions: 1 } }",
        "instance_group { kind: KIND_CPU count: 2 }",
        'input { name: "x" data_type: TYPE_FP32 dims: [-1, 4] }',
        'output { name: "x_out" data_type: TYPE_FP32 dims: [-1, 4] }',
        'parameters { key: "version" value { string_value: "v1" } }',
    ]


def test_requests_for_independent_rows_are_joined() -> None:
    lines = config(RowWise([TABLE])).splitlines()
    assert f"max_batch_size: {BATCH_ROWS}" in lines
    assert 'input { name: "x" data_type: TYPE_FP32 dims: [4] }' in lines
    assert lines[-1] == "dynamic_batching { }"


def test_requests_for_a_format_without_batching_are_not_joined() -> None:
    assert "max_batch_size: 0" in config(RowWise([TABLE]), batch_rows=1)


class Centred(RowWise):
    """Declares its rows independent, wrongly."""

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        return {name: inputs["x"] - inputs["x"].mean(axis=0) for name in outputs}


def test_requests_for_dependent_rows_are_not_joined() -> None:
    text = config(Centred([TABLE]))
    assert "max_batch_size: 0" in text
    assert "dynamic_batching" not in text


@pytest.mark.parametrize("shape", [(-1,), (4,), (2, 4)])
def test_tensors_without_rows_prevent_joining(shape: tuple[int, ...]) -> None:
    text = config(RowWise([TABLE, TensorSpec("y", Datatype.INT64, shape)]))
    assert "max_batch_size: 0" in text
    assert f"dims: {list(shape)}" in text
    assert "dynamic_batching" not in text


def test_every_datatype_has_its_triton_name() -> None:
    types = re.findall(r"input \{ name: \"(\w+)\" data_type: TYPE_(\w+) ", config(EchoModel()))
    assert dict(types) == {datatype.value: datatype.value for datatype in Datatype} | {"BYTES": "STRING"}


@pytest.mark.parametrize("shape", [None, ()])
def test_a_tensor_without_dimensions_cannot_be_served(shape: tuple[int, ...] | None) -> None:
    with pytest.raises(ModelLoadError, match=r"input 'x' is a scalar or has no declared rank"):
        config(EchoModel([TensorSpec("x", Datatype.FP32, shape)]))


def test_text_is_quoted_safely() -> None:
    hostile = 'a" } backend: "x\\\nß'
    assert quoted(hostile) == r'"a\042 } backend: \042x\134\012\303\237"'
    lines = config(EchoModel([TensorSpec(hostile, Datatype.FP32, (1,))]), version=hostile).splitlines()
    assert len(lines) == 8
    assert sum(line.startswith("backend:") for line in lines) == 1
