"""What is read from a model of each format."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper
from sklearn.linear_model import LinearRegression

from modelformats import InvalidModelError, UnsupportedFormatError, extract_signature
from support import model_files, onnx_models
from support.model_files import write


def test_onnx_tells_tensors_operators_and_opset(tmp_path: Path) -> None:
    model = onnx_models.iris_classifier()
    found = extract_signature("ONNX", write(tmp_path, "model.onnx", model.SerializeToString()))
    assert [(t.name, t.dtype, t.shape) for t in found.inputs] == [("X", "float32", (-1, 4))]
    assert [t.name for t in found.outputs] == ["output_label", "output_probability"]
    assert found.operators["LinearClassifier"] == 1
    assert found.framework == "skl2onnx"
    assert found.details["opset"]["ai.onnx.ml"] == 1
    assert "output_probability" in found.unknown


def test_onnx_counts_what_loops_and_functions_hold(tmp_path: Path) -> None:
    found = extract_signature("ONNX", write(tmp_path, "model.onnx", onnx_models.loop().SerializeToString()))
    assert found.operators == {"Add": 1, "Identity": 1, "Loop": 1}


def test_onnx_knows_every_datatype_and_named_dimensions(tmp_path: Path) -> None:
    found = extract_signature("ONNX", write(tmp_path, "model.onnx", onnx_models.identity().SerializeToString()))
    assert {t.name: t.dtype for t in found.inputs} == {
        "BOOL": "bool",
        "BYTES": "str",
        "FP16": "float16",
        "FP32": "float32",
        "FP64": "float64",
        **{f"INT{n}": f"int{n}" for n in (8, 16, 32, 64)},
        **{f"UINT{n}": f"uint{n}" for n in (8, 16, 32, 64)},
    }
    assert {t.shape for t in found.inputs} == {("n",)}


def test_onnx_weights_beside_the_file_are_counted_and_not_read(tmp_path: Path) -> None:
    weights = numpy_helper.from_array(np.zeros((2, 3), np.float32), "w")
    external_data_helper.set_external_data(weights, "weights.bin")
    weights.ClearField("raw_data")
    graph = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["y"])],
        "g",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])],
        [weights],
    )
    found = extract_signature("ONNX", write(tmp_path, "m.onnx", helper.make_model(graph).SerializeToString()))
    assert found.parameters is not None
    assert (found.parameters.count, found.parameters.bytes_by_dtype) == (6, {"float32": 24})


def test_savedmodel_tells_the_serving_signature(tmp_path: Path) -> None:
    content = model_files.saved_model().SerializeToString()
    found = extract_signature("SavedModel", write(tmp_path, "saved_model.pb", content))
    assert [(t.name, t.dtype, t.shape) for t in found.inputs] == [("x", "float32", (-1, 4))]
    assert [(t.name, t.dtype, t.shape) for t in found.outputs] == [
        ("label", "str", None),
        ("scores", "float32", (-1, 3)),
    ]
    assert found.operators == {"MatMul": 1, "Placeholder": 1, "Softmax": 1, "StatefulPartitionedCall": 1}
    assert (found.framework, found.framework_version) == ("TensorFlow", "2.16.1")
    assert found.details["tags"] == ["serve"]


def test_savedmodel_without_signatures_says_so(tmp_path: Path) -> None:
    content = model_files.saved_model(signed=False).SerializeToString()
    found = extract_signature("SavedModel", write(tmp_path, "saved_model.pb", content))
    assert found.inputs == ()
    assert found.unknown["inputs"] == "the model was saved without signatures"


def test_pmml_tells_fields_with_their_kinds_and_values(tmp_path: Path) -> None:
    found = extract_signature("PMML", write(tmp_path, "model.pmml", model_files.PMML))
    assert [(t.name, t.dtype, t.op_type) for t in found.inputs] == [
        ("length", "float64", "continuous"),
        ("count", "int64", "ordinal"),
    ]
    assert [(t.name, t.dtype) for t in found.outputs] == [("probability(setosa)", "float64"), ("species", "str")]
    assert found.outputs[1].values == ("setosa", "virginica")
    assert found.operators == {"RegressionModel": 1}
    assert found.details == {"pmml_version": "4.4", "function": "classification"}


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("lzma", 3)])
def test_sklearn_tells_steps_features_and_classes_however_it_is_compressed(tmp_path: Path, compress: object) -> None:
    found = extract_signature("SKLearn", model_files.sklearn_joblib(tmp_path / "m", compress=compress))
    assert [(t.name, t.shape) for t in found.inputs] == [("X", (-1, 4))]
    assert [(t.name, t.dtype) for t in found.outputs] == [("y", "int64")]
    assert found.operators == {"LogisticRegression": 1, "Pipeline": 1, "StandardScaler": 1}
    assert found.details["classes"] == [0, 1, 2]
    assert found.framework_version is not None


@pytest.mark.parametrize("protocol", range(2, 6))
def test_sklearn_pickles_are_read_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    content = pickle.dumps(model_files.classifier(), protocol)
    found = extract_signature("SKLearn", write(tmp_path, "model.pkl", content))
    assert found.details["classes"] == [0, 1, 2]
    assert found.inputs[0].shape == (-1, 4)


def test_what_a_regressor_predicts_is_said_to_be_unknown(tmp_path: Path) -> None:
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    found = extract_signature("SKLearn", write(tmp_path, "model.pkl", pickle.dumps(model)))
    assert found.operators == {"LinearRegression": 1}
    assert "classifier" in found.unknown["outputs"]


def test_a_pickle_of_something_else_says_that_it_is_no_estimator(tmp_path: Path) -> None:
    found = extract_signature("SKLearn", write(tmp_path, "model.pkl", pickle.dumps({"a": 1})))
    assert found.unknown["operators"] == "the file holds no scikit-learn estimator"


def test_a_format_that_nothing_parses_is_said_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormatError, match="ONNX, PMML, SKLearn, SavedModel"):
        extract_signature("CaffeModel", tmp_path)


@pytest.mark.parametrize(("name", "file"), [("ONNX", "*.onnx"), ("SavedModel", "saved_model.pb"), ("PMML", "*.pmml")])
def test_a_directory_without_the_file_is_refused_with_its_name(tmp_path: Path, name: str, file: str) -> None:
    with pytest.raises(InvalidModelError) as failure:
        extract_signature(name, tmp_path)
    assert file in str(failure.value)


def test_two_candidates_are_named(tmp_path: Path) -> None:
    write(tmp_path, "a.onnx", b"")
    write(tmp_path, "b.onnx", b"")
    with pytest.raises(InvalidModelError, match=r"found 2: a\.onnx, b\.onnx"):
        extract_signature("ONNX", tmp_path)
