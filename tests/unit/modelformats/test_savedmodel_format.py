"""Parsing TensorFlow SavedModels."""

from pathlib import Path
from typing import Any

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, extract_signature, validate_layout
from support import model_files
from support.model_files import write


def extracted(message: Any, directory: Path) -> Signature:
    return extract_signature("SavedModel", write(directory, "saved_model.pb", message.SerializeToString()))


def test_the_serving_signature_is_reported(tmp_path: Path) -> None:
    signature = extracted(model_files.saved_model(), tmp_path)
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [("x", "float32", (-1, 4))]
    assert [(t.name, t.dtype, t.shape) for t in signature.outputs] == [
        ("label", "str", None),
        ("scores", "float32", (-1, 3)),
    ]
    assert (signature.framework, signature.framework_version) == ("TensorFlow", "2.16.1")
    assert signature.details["tags"] == ["serve"]


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
def test_datatypes_have_their_numpy_names_if_there_are_any(tmp_path: Path, number: int, dtype: str | None) -> None:
    message = model_files.saved_model()
    message.meta_graphs[0].signatures[0].value.inputs[0].value.dtype = number
    assert extracted(message, tmp_path).inputs[0].dtype == dtype


def test_a_scalar_has_no_dimensions_and_a_negative_size_is_any(tmp_path: Path) -> None:
    message = model_files.saved_model()
    serving = message.meta_graphs[0].signatures[0].value
    serving.inputs[0].value.shape.dims[0].size = -(2**60)
    serving.inputs.add(key="scale").value.dtype = model_files.FLOAT
    assert {t.name: t.shape for t in extracted(message, tmp_path).inputs} == {"scale": (), "x": (-1, 4)}


def test_a_model_without_signatures_is_reported_as_such(tmp_path: Path) -> None:
    signature = extracted(model_files.saved_model(signed=False), tmp_path)
    assert (signature.inputs, signature.outputs) == ((), ())
    assert signature.unknown["inputs"] == signature.unknown["outputs"] == "the model was saved without signatures"


def test_the_default_signature_is_chosen_and_all_are_described(tmp_path: Path) -> None:
    message = model_files.saved_model()
    message.meta_graphs[0].signatures.add(key="a_first").value.method = "tensorflow/serving/classify"
    message.meta_graphs[0].signatures.add(key="__saved_model_init_op")
    signature = extracted(message, tmp_path)
    assert signature.details["signature"] == "serving_default"
    assert signature.details["signatures"] == {
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


def test_a_file_without_a_graph_is_not_a_model(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"saved_model\.pb has no graph"):
        extracted(type(model_files.saved_model())(schema_version=1), tmp_path)


def warned(directory: Path, *keys: str) -> tuple[str, ...]:
    """The warnings of a model with signatures of these names."""
    message = model_files.saved_model(signed=False)
    for key in keys:
        message.meta_graphs[0].signatures.add(key=key)
    return extracted(message, directory).warnings


def test_a_correct_model_has_no_warning(tmp_path: Path) -> None:
    assert extracted(model_files.saved_model(), tmp_path).warnings == ()
    assert warned(tmp_path, "serving_default", "another") == ()


@pytest.mark.parametrize("keys", [(), ("__saved_model_init_op",), ("__saved_model_train_op",)])
def test_a_model_without_a_callable_signature_has_a_warning_with_the_remedy(
    tmp_path: Path, keys: tuple[str, ...]
) -> None:
    (warning,) = warned(tmp_path, *keys)
    assert "neither served nor converted" in warning
    assert "signatures=" in warning


def test_a_missing_default_signature_is_reported_with_the_described_one(tmp_path: Path) -> None:
    (warning,) = warned(tmp_path, "predict", "embed")
    assert "no signature serving_default" in warning
    assert "but embed, predict; embed, the first by name, is the one described" in warning


@pytest.mark.parametrize(
    ("encoding", "kind"),
    [
        ("coo_sparse", "sparse"),
        ("sparse_spec", "sparse"),
        ("ragged_spec", "ragged"),
        ("composite", "ragged or otherwise composite"),
    ],
)
def test_an_input_of_several_tensors_is_not_shown_as_a_plain_one(tmp_path: Path, encoding: str, kind: str) -> None:
    message = model_files.saved_model()
    value = message.meta_graphs[0].signatures[0].value.inputs[0].value
    if encoding == "coo_sparse":
        value.coo_sparse.values = "v:0"
    else:
        value.composite_tensor.type_spec.kind = {"sparse_spec": 1, "ragged_spec": 3, "composite": 0}[encoding]
    signature = extracted(message, tmp_path)
    (tensor,) = signature.inputs
    assert (tensor.name, tensor.dtype, tensor.shape) == ("x", None, None)
    assert signature.unknown["x"] == f"not a plain tensor but a {kind} one, which consists of several"
    (warning,) = signature.warnings
    assert warning.startswith(f"'x' is a {kind} tensor, which the inference protocol lacks")


@pytest.mark.parametrize(
    ("present", "missing"),
    [
        ((), "variables.index"),
        (("variables.index",), "variables.data-00000-of-00001"),
        (("variables.index", "variables.data-00000-of-00002"), "variables.data-00001-of-00002"),
    ],
)
def test_a_missing_file_of_variables_is_reported(tmp_path: Path, present: tuple[str, ...], missing: str) -> None:
    message = model_files.saved_model()
    message.meta_graphs[0].graph.nodes.add(name="w", op="VarHandleOp")
    for name in present:
        write(tmp_path, f"variables/{name}", b"")
    with pytest.raises(InvalidModelError, match=rf"{missing} is missing there"):
        extracted(message, tmp_path)
    with pytest.raises(InvalidModelError, match=rf"{missing} is missing there"):
        validate_layout("SavedModel", tmp_path)


def test_a_model_with_its_variables_is_read(tmp_path: Path) -> None:
    message = model_files.saved_model()
    message.meta_graphs[0].graph.nodes.add(name="w", op="VarHandleOp")
    for name in ("variables.index", "variables.data-00000-of-00001"):
        write(tmp_path, f"variables/{name}", b"")
    assert extracted(message, tmp_path).operators["VarHandleOp"] == 1


@pytest.mark.parametrize(
    ("number", "dtype", "reason"),
    [
        (99, None, "its elements are of unknown type 99: newer than this version of Klever"),
        (0, None, "the model does not declare the type of its elements"),
        (20, None, "not a tensor but a resource"),
        (11, "qint8", None),
        (28, "float8_e5m2fnuz", None),
        (31, "int2", None),
        (33, "float4_e2m1fn", None),
        (101, "float32", None),
    ],
)
def test_an_input_has_a_type_or_the_reason_why_not(
    tmp_path: Path, number: int, dtype: str | None, reason: str | None
) -> None:
    message = model_files.saved_model()
    message.meta_graphs[0].signatures[0].value.inputs[0].value.dtype = number
    signature = extracted(message, tmp_path)
    assert (signature.inputs[0].dtype, signature.unknown.get("x")) == (dtype, reason)
