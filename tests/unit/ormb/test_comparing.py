"""The differences between two models."""

from pathlib import Path

from ormb.comparing import Change, compare
from ormb.manifest import ModelManifest
from ormb.packing import pack
from ormb.reading import parse_model_manifest

BEFORE = """
format: Others
author: Ada
metrics: {training: [{name: accuracy, value: 0.9}, {name: loss, value: 0.1}]}
signature: {inputs: [{name: x, dType: float32}]}
"""
AFTER = """
format: Others
author: Ada
description: better
metrics: {training: [{name: loss, value: 0.1}, {name: accuracy, value: 0.95}]}
signature: {inputs: [{name: x, dType: float64}]}
"""


def manifest(directory: Path, ormbfile: str, **files: str) -> ModelManifest:
    (directory / "model").mkdir(parents=True)
    (directory / "ormbfile.yaml").write_text(ormbfile)
    for name, content in files.items():
        (directory / "model" / name).write_text(content)
    parsed = parse_model_manifest(pack(directory).manifest)
    assert parsed is not None
    return parsed


def test_metadata_signature_and_files_are_compared(tmp_path: Path) -> None:
    left = manifest(tmp_path / "1", BEFORE, same="s", changed="a", gone="g")
    right = manifest(tmp_path / "2", AFTER, same="s", changed="bb", new="n")
    changes = compare(left, right)
    assert changes[:3] == [
        Change("metadata", "description", None, "better"),
        Change("metadata", "metrics.training.accuracy.value", "0.9", "0.95"),
        Change("signature", "signature.inputs.x.dType", "float32", "float64"),
    ]
    files = {change.name: (bool(change.left), bool(change.right)) for change in changes[3:]}
    assert files == {"model/changed": (True, True), "model/gone": (True, False), "model/new": (False, True)}


def test_a_model_does_not_differ_from_itself(tmp_path: Path) -> None:
    left, right = manifest(tmp_path / "1", BEFORE, a="a"), manifest(tmp_path / "2", BEFORE, a="a")
    assert compare(left, right) == []
