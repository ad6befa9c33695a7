"""Behaviour specific to ONNX models: classes, errors, files."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto

from kleverserve.adapters import onnx
from kleverserve.app import load_model
from kleverserve.errors import ExecutionError, InvalidRequestError, ModelLoadError
from kleverserve.tensors import Datatype
from modelfiles.selection import FileSelectionError
from support import onnx_models


def loaded(model: ModelProto, directory: Path) -> onnx.OnnxModel:
    return onnx.load(onnx_models.model_directory(model, directory / "m") / "model", threads=1)


@pytest.mark.parametrize(("named", "classes"), [(False, "[0,1,2]"), (True, '["setosa","versicolor","virginica"]')])
def test_the_probabilities_of_a_classifier_are_a_tensor_with_named_columns(
    tmp_path: Path, *, named: bool, classes: str
) -> None:
    proto = onnx_models.iris_classifier(named_classes=named)
    model = loaded(proto, tmp_path)
    rows = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.1, 5.6, 2.4]], dtype=np.float32)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    labels, maps = session.run(None, {"X": rows})
    results = model.predict({"X": rows}, ["output_label", "output_probability"])
    np.testing.assert_array_equal(results["output_label"], labels)
    np.testing.assert_array_equal(results["output_probability"], [list(row.values()) for row in maps])
    probability = model.outputs[1]
    assert (probability.datatype, probability.shape) == (Datatype.FP32, (-1, 3))
    assert probability.parameters == {"classes": classes}


def test_inputs_that_the_model_refuses_are_a_client_error(tmp_path: Path) -> None:
    model = loaded(onnx_models.look_up(), tmp_path)
    assert model.predict({"index": np.array(2)}, ["entry"])["entry"] == 30.0
    with pytest.raises(InvalidRequestError, match=r"the model rejects the inputs: .*out of data bounds"):
        model.predict({"index": np.array(3)}, ["entry"])


def test_a_failure_during_a_run_is_an_execution_error(tmp_path: Path) -> None:
    model = loaded(onnx_models.pairs_only(), tmp_path)
    with pytest.raises(ExecutionError, match=r"the model failed: .*Reshape"):
        model.predict({"X": np.zeros(3, np.float32)}, ["Y"])


def test_outputs_that_are_not_tensors_are_omitted(tmp_path: Path) -> None:
    model = loaded(onnx_models.split_sequence(with_tensor=True), tmp_path)
    assert [spec.name for spec in model.outputs] == ["X_out"]


def test_a_model_without_any_tensor_output_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="nothing can be served"):
        loaded(onnx_models.split_sequence(with_tensor=False), tmp_path)


def test_there_must_be_exactly_one_onnx_file(tmp_path: Path) -> None:
    with pytest.raises(FileSelectionError, match=r"there is no \*\.onnx at the top"):
        onnx.load(tmp_path, threads=1)
    for name in ("a.onnx", "b.onnx"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(FileSelectionError, match=r"found 2: a\.onnx, b\.onnx"):
        onnx.load(tmp_path, threads=1)


def test_an_unknown_format_or_directory_is_reported(tmp_path: Path) -> None:
    with pytest.raises(
        ModelLoadError, match=r"the format Caffe cannot be served; the formats are: CatBoost, .*, ONNX, "
    ):
        load_model(tmp_path, format="Caffe", threads=1)
    with pytest.raises(ModelLoadError, match="contains no 'model' directory"):
        load_model(tmp_path, format="ONNX", threads=1)
