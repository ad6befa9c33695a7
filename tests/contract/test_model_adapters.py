"""The contract of every model adapter (kleverserve.model.Model)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from kleverserve.adapters import onnx
from kleverserve.errors import ApiError
from kleverserve.model import Model
from kleverserve.tensors import NUMPY_TYPES, Array, Datatype
from support import onnx_models
from support.echo_model import EchoModel

MakeModel = Callable[[Path], Model]


def onnx_identity(directory: Path) -> Model:
    files = onnx_models.model_directory(onnx_models.identity(), directory / "identity") / "model"
    return onnx.load(files, threads=1)


def onnx_iris(directory: Path) -> Model:
    files = onnx_models.model_directory(onnx_models.iris_classifier(), directory / "iris") / "model"
    return onnx.load(files, threads=1)


def echo(_directory: Path) -> Model:
    return EchoModel()


@pytest.fixture(params=[echo, onnx_identity, onnx_iris])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Model:
    make: MakeModel = request.param
    return make(tmp_path)


def some_inputs(model: Model, *, length: int = 2) -> dict[str, Array]:
    """Valid inputs; dimensions of any length have this one."""
    inputs: dict[str, Array] = {}
    for spec in model.inputs:
        shape = [length if size == -1 else size for size in spec.shape or ()]
        value: object = "text" if spec.datatype is Datatype.BYTES else 1
        inputs[spec.name] = np.full(shape, value, dtype=NUMPY_TYPES[spec.datatype])
    return inputs


def test_it_has_a_platform_and_uniquely_named_tensors(model: Model) -> None:
    assert model.platform
    for specs in (model.inputs, model.outputs):
        names = [spec.name for spec in specs]
        assert names
        assert len(names) == len(set(names))


def test_every_output_has_its_declared_datatype_and_shape(model: Model) -> None:
    results = model.predict(some_inputs(model), [spec.name for spec in model.outputs])
    for spec in model.outputs:
        array = results[spec.name]
        assert array.dtype == NUMPY_TYPES[spec.datatype]
        assert spec.shape is not None
        assert len(array.shape) == len(spec.shape)
        assert all(want in (-1, got) for want, got in zip(spec.shape, array.shape, strict=True))


def test_it_returns_exactly_the_requested_outputs(model: Model) -> None:
    for spec in model.outputs:
        assert list(model.predict(some_inputs(model), [spec.name])) == [spec.name]


def test_it_accepts_an_empty_batch_or_explains_why_not(model: Model) -> None:
    names = [spec.name for spec in model.outputs]
    try:
        results = model.predict(some_inputs(model, length=0), names)
    except ApiError as error:
        assert str(error)  # noqa: PT017 - refusing is allowed, with words
    else:
        assert all(len(array) == 0 for array in results.values())


def test_it_predicts_the_same_from_many_threads_at_once(model: Model) -> None:
    names = [spec.name for spec in model.outputs]
    inputs = some_inputs(model)
    alone = model.predict(inputs, names)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: model.predict(inputs, names), range(40)))
    for results in together:
        for name in names:
            np.testing.assert_array_equal(results[name], alone[name])
