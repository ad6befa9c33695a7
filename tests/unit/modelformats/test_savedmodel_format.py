"""What is read from a TensorFlow SavedModel."""

from pathlib import Path
from typing import Any

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, extract_signature
from support import model_files
from support.model_files import write


def extracted(message: Any, directory: Path) -> Signature:
    return extract_signature("SavedModel", write(directory, "saved_model.pb", message.SerializeToString()))


def test_the_serving_signature_is_told(tmp_path: Path) -> None:
    found = extracted(model_files.saved_model(), tmp_path)
    assert [(t.name, t.dtype, t.shape) for t in found.inputs] == [("x", "float32", (-1, 4))]
    assert [(t.name, t.dtype, t.shape) for t in found.outputs] == [
        ("label", "str", None),
        ("scores", "float32", (-1, 3)),
    ]
    assert (found.framework, found.framework_version) == ("TensorFlow", "2.16.1")
    assert found.details["tags"] == ["serve"]


def test_operators_of_the_graph_and_of_its_functions_are_counted(tmp_path: Path) -> None:
    message = model_files.saved_model()
    message.meta_graphs[0].graph.library.functions.add().nodes.add(name="again", op="MatMul")
    assert extracted(message, tmp_path).operators == {
        "MatMul": 2,
        "Placeholder": 1,
        "Softmax": 1,
        "StatefulPartitionedCall": 1,
    }


@pytest.mark.parametrize(("number", "dtype"), [(1, "float32"), (3, "int32"), (10, "bool"), (19, "float16"), (99, None)])
def test_datatypes_have_numpy_names_where_there_are_any(tmp_path: Path, number: int, dtype: str | None) -> None:
    message = model_files.saved_model()
    message.meta_graphs[0].signatures[0].value.inputs[0].value.dtype = number
    assert extracted(message, tmp_path).inputs[0].dtype == dtype


def test_a_scalar_has_no_dimensions_and_a_negative_size_is_any(tmp_path: Path) -> None:
    message = model_files.saved_model()
    serving = message.meta_graphs[0].signatures[0].value
    serving.inputs[0].value.shape.dims[0].size = -(2**60)
    serving.inputs.add(key="scale").value.dtype = model_files.FLOAT
    assert {t.name: t.shape for t in extracted(message, tmp_path).inputs} == {"scale": (), "x": (-1, 4)}


def test_a_model_without_signatures_says_so(tmp_path: Path) -> None:
    found = extracted(model_files.saved_model(signed=False), tmp_path)
    assert (found.inputs, found.outputs) == ((), ())
    assert found.unknown["inputs"] == found.unknown["outputs"] == "the model was saved without signatures"


def test_the_default_signature_is_chosen_and_all_are_described(tmp_path: Path) -> None:
    message = model_files.saved_model()
    message.meta_graphs[0].signatures.add(key="a_first").value.method = "tensorflow/serving/classify"
    message.meta_graphs[0].signatures.add(key="__saved_model_init_op")
    found = extracted(message, tmp_path)
    assert found.details["signature"] == "serving_default"
    assert found.details["signatures"] == {
        "a_first": {"method": "tensorflow/serving/classify", "inputs": [], "outputs": []},
        "serving_default": {
            "method": "tensorflow/serving/predict",
            "inputs": [{"name": "x", "dtype": "float32", "shape": [-1, 4]}],
            "outputs": [
                {"name": "label", "dtype": "str", "shape": None},
                {"name": "scores", "dtype": "float32", "shape": [-1, 3]},
            ],
        },
    }


def test_without_a_default_the_first_signature_by_name_is_chosen(tmp_path: Path) -> None:
    message = model_files.saved_model(signed=False)
    for key in ("predict", "classify"):
        message.meta_graphs[0].signatures.add(key=key)
    assert extracted(message, tmp_path).details["signature"] == "classify"


def test_the_graph_for_serving_is_chosen_among_several(tmp_path: Path) -> None:
    message = model_files.saved_model()
    message.meta_graphs.add().CopyFrom(message.meta_graphs[0])
    message.meta_graphs[0].meta_info.tags[0] = "train"
    message.meta_graphs[0].meta_info.tensorflow_version = "1.15"
    assert extracted(message, tmp_path).framework_version == "2.16.1"


def test_a_file_without_a_graph_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"saved_model\.pb has no graph"):
        extracted(type(model_files.saved_model())(schema_version=1), tmp_path)
