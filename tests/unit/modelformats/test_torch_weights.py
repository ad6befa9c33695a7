"""Weights that PyTorch keeps in other places than a state's plain tensors; files of the real PyTorch."""

from pathlib import Path

import pytest

from modelformats import InvalidModelError, detect_format, extract_signature
from support.model_files import DATA, write


@pytest.mark.parametrize(
    ("file", "name", "by_dtype"),
    [
        pytest.param("torchscript/frozen.pt", "TorchScript", {"float32": 48}, id="constants"),
        pytest.param("torchscript/quantized.pt", "TorchScript", {"float32": 12, "int8": 12}, id="packed"),
        pytest.param("pickle/legacy_module.pth", "Pickle", {"float32": 48}, id="legacy-module"),
        pytest.param("pickle/parts.pt", "Pickle", {"float32": 40 + 12, "int64": 48}, id="parts-and-sparse"),
    ],
)
def test_all_weights_are_counted_once(tmp_path: Path, file: str, name: str, by_dtype: dict[str, int]) -> None:
    write(tmp_path, "model.pt", (DATA / file).read_bytes())
    assert detect_format(tmp_path) == name
    found = extract_signature(name, tmp_path)
    assert found.parameters
    assert found.parameters.bytes_by_dtype == by_dtype


def test_the_class_of_a_legacy_module_is_told(tmp_path: Path) -> None:
    write(tmp_path, "model.pth", (DATA / "pickle" / "legacy_module.pth").read_bytes())
    found = extract_signature("Pickle", tmp_path)
    assert (found.details["class"], found.operators, found.framework) == ("__main__.Net", {"Net": 1}, "PyTorch")


def test_a_legacy_file_without_its_object_is_refused(tmp_path: Path) -> None:
    content = (DATA / "pickle" / "legacy_module.pth").read_bytes()
    write(tmp_path, "model.pth", content[: content.index(b"__main__")])
    with pytest.raises(InvalidModelError, match="the object in it cannot be read"):
        extract_signature("Pickle", tmp_path)


def test_a_size_made_of_others_is_any_size(tmp_path: Path) -> None:
    write(tmp_path, "model.pt2", (DATA / "exportedprogram" / "derived.pt2").read_bytes())
    found = extract_signature("ExportedProgram", tmp_path)
    assert [t.shape for t in found.inputs] == [("s77", 4), ("s17", 4)]
    assert [t.shape for t in found.outputs] == [(-1, 4), (-1,)]
