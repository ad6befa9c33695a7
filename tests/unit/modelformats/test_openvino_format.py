"""Parsing OpenVINO IR."""

from pathlib import Path

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature, validate_layout

REAL = Path(__file__).parents[2] / "data" / "models" / "openvino"


def extracted(directory: Path) -> Signature:
    return extract_signature("OpenVINO", directory)


def changed(tmp_path: Path, old: str, new: str) -> Path:
    """The real file with a replaced part."""
    text = (REAL / "tiny.xml").read_text()
    assert old in text
    (tmp_path / "tiny.xml").write_text(text.replace(old, new))
    (tmp_path / "tiny.bin").write_bytes((REAL / "tiny.bin").read_bytes())
    return tmp_path


def test_parameters_and_results_have_the_names_of_their_tensors() -> None:
    signature = extracted(REAL)
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [("x", "float32", (-1, 4))]
    assert [(t.name, t.dtype, t.shape) for t in signature.outputs] == [("probabilities", "float32", (-1, 3))]


@pytest.mark.parametrize(
    ("names", "expected"),
    [("a/b:0,x", "x"), ("x,z", "x"), ("other", "other"), ("z,a/b:0", "a/b:0"), (r"p\,q,z", "p,q"), ("", "x")],
)
def test_the_layers_own_name_wins_among_several_names_of_a_tensor(tmp_path: Path, names: str, expected: str) -> None:
    assert extracted(changed(tmp_path, 'names="x"', f'names="{names}"')).inputs[0].name == expected


def test_a_result_has_its_own_name(tmp_path: Path) -> None:
    result = 'name="{}" type="Result" version="opset1" output_names="{}"'
    old, new = ("Result_6", "probabilities"), ("probabilities/sink_port_0", "a,probabilities")
    changed(tmp_path, result.format(*old), result.format(*new))
    assert extracted(tmp_path).outputs[0].name == "probabilities"


def test_layers_are_operators_and_constants_are_parameters() -> None:
    signature = extracted(REAL)
    assert signature.operators == {"MatMul": 1, "SoftMax": 1}
    assert signature.parameters is not None
    assert (signature.parameters.count, signature.parameters.bytes_by_dtype) == (12, {"float32": 48})


def test_framework_and_version_are_reported() -> None:
    signature = extracted(REAL)
    assert signature.framework == "OpenVINO"
    assert (signature.framework_version or "").startswith("2026.4.1")
    assert signature.details == {"ir_version": "11"}


def test_a_model_is_recognised_by_its_content(tmp_path: Path) -> None:
    assert detect_format(REAL) == "OpenVINO"
    (tmp_path / "settings.xml").write_text("<settings/>")
    assert detect_format(tmp_path) is None


def test_missing_weights_are_reported(tmp_path: Path) -> None:
    (tmp_path / "tiny.xml").write_bytes((REAL / "tiny.xml").read_bytes())
    with pytest.raises(InvalidModelError, match=r"tiny\.bin', which is missing"):
        validate_layout("OpenVINO", tmp_path)
    with pytest.raises(InvalidModelError, match=r"tiny\.bin', which is missing"):
        extracted(tmp_path)


def test_incomplete_weights_are_reported(tmp_path: Path) -> None:
    changed(tmp_path, "x", "x")
    (tmp_path / "tiny.bin").write_bytes(bytes(47))
    expected = r"'tiny\.bin' up to byte 48, but the file has only 47"
    with pytest.raises(InvalidModelError, match=expected):
        extracted(tmp_path)
    with pytest.raises(InvalidModelError, match=expected):
        validate_layout("OpenVINO", tmp_path)


def test_layers_inside_bodies_are_counted(tmp_path: Path) -> None:
    body = (
        '<layer id="9" type="If"><then_body><layers><layer id="0" type="Relu"/></layers></then_body></layer></layers>'
    )
    assert extracted(changed(tmp_path, "</layers>", body)).operators == {"If": 1, "MatMul": 1, "Relu": 1, "SoftMax": 1}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("<layers>", "<layers/><other>", id="not well-formed"),
        pytest.param("<dim>3</dim>", "<dim>three</dim>", id="a dimension that is no number"),
        pytest.param('shape="4, 3"', 'shape="4, -3"', id="a negative size"),
        pytest.param('shape="4, 3"', 'shape="99999999999, 99999999999"', id="a size beyond sense"),
        pytest.param('<?xml version="1.0"?>', '<!DOCTYPE net [<!ENTITY a "b">]>', id="a DTD"),
    ],
)
def test_damaged_content_is_an_error_of_the_model(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(InvalidModelError):
        extracted(changed(tmp_path, old, new))


@pytest.mark.parametrize(
    ("written", "by_dtype"),
    [
        ("f8e4m3", {"float8_e4m3fn": 48}),
        ("f8e5m2", {"float8_e5m2": 48}),
        ("f8e8m0", {"float8_e8m0fnu": 48}),
        ("f4e2m1", {"float4_e2m1fn": 48}),
        ("nf4", {"nf4": 48}),
        ("u2", {"uint2": 48}),
        ("u3", {"uint3": 48}),
        ("u6", {"uint6": 48}),
        ("q9_new", {"unknown type q9_new": 48}),
    ],
)
def test_constants_of_every_type_have_the_bytes_of_the_file(
    tmp_path: Path, written: str, by_dtype: dict[str, int]
) -> None:
    signature = extracted(
        changed(tmp_path, 'element_type="f32" shape="4, 3"', f'element_type="{written}" shape="4, 3"')
    )
    assert signature.parameters
    assert (signature.parameters.count, signature.parameters.bytes_by_dtype) == (12, by_dtype)
    assert ("parameters" in signature.unknown) is (written == "q9_new")


@pytest.mark.parametrize(
    ("element", "dtype", "reason"),
    [
        ("q9_new", None, "its elements are of unknown type q9_new: newer than this version of Klever"),
        ("dynamic", None, None),
        ("boolean", "bool", None),
    ],
)
def test_an_input_of_an_unknown_type_has_a_reason_and_one_of_any_type_has_none(
    tmp_path: Path, element: str, dtype: str | None, reason: str | None
) -> None:
    signature = extracted(changed(tmp_path, 'shape="?,4" element_type="f32"', f'shape="?,4" element_type="{element}"'))
    assert (signature.inputs[0].dtype, signature.unknown.get("x")) == (dtype, reason)


@pytest.mark.parametrize(
    ("precision", "dtype", "reason"),
    [
        ("BOOL", "bool", None),
        ("F8E4M3", "float8_e4m3fn", None),
        ("Q9", None, "its elements are of unknown type q9: newer than this version of Klever"),
    ],
)
def test_a_result_has_the_type_of_its_port(
    tmp_path: Path, precision: str, dtype: str | None, reason: str | None
) -> None:
    signature = extracted(changed(tmp_path, 'precision="FP32"', f'precision="{precision}"'))
    assert (signature.outputs[0].dtype, signature.unknown.get("probabilities")) == (dtype, reason)
