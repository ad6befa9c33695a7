"""The inputs of a conversion's fingerprint, which decide whether a cached result is used."""

from pathlib import Path
from shutil import copytree

from modelconversion.execution import PROGRAMS
from modelconversion.fingerprint import fingerprint
from modelconversion.planner import plan
from modelconversion.toolchains.recipes import RECIPES

ROUTE = plan("H5", "ONNX")


def test_the_same_request_has_the_same_fingerprint() -> None:
    assert fingerprint(ROUTE, {"opset": "17"}) == fingerprint(plan("H5", "ONNX", ["opset"]), {"opset": "17"})


def test_another_route_or_option_has_another() -> None:
    fingerprints = {
        fingerprint(ROUTE, {}),
        fingerprint(ROUTE, {"opset": "17"}),
        fingerprint(ROUTE, {"opset": "18"}),
        fingerprint(plan("Keras", "ONNX"), {}),
        fingerprint(plan("H5", "SavedModel"), {}),
    }
    assert len(fingerprints) == 5


def test_another_program_or_pinned_version_has_another(tmp_path: Path) -> None:
    programs, recipes = tmp_path / "programs", tmp_path / "recipes"
    copytree(PROGRAMS, programs)
    copytree(RECIPES, recipes)
    before = fingerprint(ROUTE, {}, programs=programs, recipes=recipes)
    assert before == fingerprint(ROUTE, {})
    with (recipes / "tf.txt").open("a") as recipe:
        recipe.write("# a change\n")
    pinned = fingerprint(ROUTE, {}, programs=programs, recipes=recipes)
    with (programs / "keras" / "models.py").open("a") as program:
        program.write("# a change\n")
    changed = fingerprint(ROUTE, {}, programs=programs, recipes=recipes)
    assert len({before, pinned, changed}) == 3
    with (recipes / "sklearn.txt").open("a") as recipe:
        recipe.write("# of a toolchain that has no part in it\n")
    assert changed == fingerprint(ROUTE, {}, programs=programs, recipes=recipes)
