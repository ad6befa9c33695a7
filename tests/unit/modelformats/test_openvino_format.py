"""What is read from OpenVINO's intermediate representation."""

from pathlib import Path

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature, validate_layout
from support import real_models
from support.model_files import write

MODEL = (real_models.ROOT / "openvino" / "iris.xml").read_text()


def extracted(text: str, directory: Path) -> Signature:
    return extract_signature("OpenVINO", write(directory, "model.xml", text))


def test_a_real_model_is_told(tmp_path: Path) -> None:
    found = extracted(MODEL, tmp_path)
    assert [(t.name, t.dtype, t.shape) for t in found.inputs] == [("x", "float32", (-1, 4))]
    assert [(t.name, t.dtype, t.shape) for t in found.outputs] == [("scores", "float32", (-1, 3))]
    assert found.operators == {"MatMul": 1, "SoftMax": 1}
    assert (found.framework, found.framework_version) == ("OpenVINO", "2026.4.1")
    assert found.details == {"name": "iris", "ir_version": "11"}
    assert found.parameters is not None
    assert (found.parameters.count, found.parameters.bytes_by_dtype) == (12, {"float32": 48})


@pytest.mark.parametrize(
    ("shape", "dims"), [("...", None), ("", ()), ("1..8,?", (-1, -1)), ("1, 3,224,224", (1, 3, 224, 224))]
)
def test_shapes_are_as_the_parameter_writes_them(tmp_path: Path, shape: str, dims: tuple[int, ...] | None) -> None:
    assert extracted(MODEL.replace('shape="?,4"', f'shape="{shape}"'), tmp_path).inputs[0].shape == dims


def test_an_old_network_has_inputs_and_no_marked_results(tmp_path: Path) -> None:
    old = MODEL.replace('type="Parameter"', 'type="Input"').replace('type="Result"', 'type="ReLU"')
    found = extracted(old, tmp_path)
    assert ([t.name for t in found.inputs], found.outputs) == (["x"], ())
    assert "before 10" in found.unknown["outputs"]


def test_the_weights_belong_to_it(tmp_path: Path) -> None:
    assert detect_format(write(tmp_path, "model.xml", MODEL)) == "OpenVINO"
    with pytest.raises(InvalidModelError, match=r"expected model\.bin"):
        validate_layout("OpenVINO", tmp_path)
    validate_layout("OpenVINO", write(tmp_path, "model.bin", b""))


@pytest.mark.parametrize(
    "text",
    ["<net/>", "<html/>", MODEL.replace("<net", '<!DOCTYPE net [<!ENTITY a "b">]><net', 1), "<A>" * 10_000],
    ids=["empty", "html", "dtd", "deep"],
)
def test_what_is_no_network_is_refused(tmp_path: Path, text: str) -> None:
    assert detect_format(write(tmp_path / "other", "a.xml", "<project/>")) is None
    with pytest.raises(InvalidModelError, match=r"model\.xml"):
        extracted(text, tmp_path)
