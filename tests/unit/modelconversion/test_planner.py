"""Routes over the table of conversions."""

import json
from pathlib import Path

import pytest

from modelconversion.errors import NoRouteError
from modelconversion.execution import PROGRAMS
from modelconversion.pairs import HALF, INT8, PAIRS, RUNNERS, Pair, tolerance_of
from modelconversion.planner import plan, reachable
from modelconversion.toolchains.recipes import recipe_names
from modelformats.catalogue import KNOWN_FORMATS
from support import model_files

ROOT = Path(__file__).parents[3]
MEASURED = ROOT / "tests" / "data" / "conversions.json"
"""The conversions that agreed in the last complete run of the conversion tests."""
PAGE = ROOT / "docs" / "formats.md"
COLUMNS = 9
SERVING_TOOLCHAINS = {"mlserver", "triton"}


def formats_on(route: tuple[Pair, ...]) -> list[str]:
    return [route[0].source, *(pair.target for pair in route)]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("SavedModel", "ONNX", ["SavedModel", "ONNX"]),
        ("H5", "ONNX", ["H5", "SavedModel", "ONNX"]),
        ("Keras", "OpenVINO", ["Keras", "SavedModel", "ONNX", "OpenVINO"]),
        ("CaffeModel", "ONNX", ["CaffeModel", "NetDef", "ONNX"]),
        ("SKLearn", "PMML", ["SKLearn", "PMML"]),
    ],
)
def test_the_cheapest_route_is_found(source: str, target: str, expected: list[str]) -> None:
    assert formats_on(plan(source, target)) == expected


def test_a_cheap_detour_beats_an_expensive_direct_route() -> None:
    pairs = (Pair("A", "C", "a_to_c", "t", cost=5), Pair("A", "B", "a_to_b", "t"), Pair("B", "C", "b_to_c", "t"))
    assert formats_on(plan("A", "C", pairs=pairs)) == ["A", "B", "C"]


def test_the_shortest_of_routes_of_equal_cost_is_taken() -> None:
    pairs = (Pair("A", "B", "a_to_b", "t"), Pair("B", "C", "b_to_c", "t"), Pair("A", "C", "a_to_c", "t", cost=2))
    assert formats_on(plan("A", "C", pairs=pairs)) == ["A", "C"]


def test_a_loop_in_the_table_terminates() -> None:
    pairs = (Pair("A", "B", "a_to_b", "t"), Pair("B", "A", "b_to_a", "t"))
    with pytest.raises(NoRouteError, match="A cannot be converted to C; it can be converted to B"):
        plan("A", "C", pairs=pairs)


def test_quantisation_is_a_last_step_within_the_target_format() -> None:
    assert formats_on(plan("H5", "ONNX", ["quantize"])) == ["H5", "SavedModel", "ONNX", "ONNX"]
    assert formats_on(plan("ONNX", "ONNX", ["quantize"])) == ["ONNX", "ONNX"]


def test_a_model_in_the_target_format_needs_no_conversion() -> None:
    with pytest.raises(NoRouteError, match="in format ONNX already"):
        plan("ONNX", "ONNX")


def test_an_option_that_no_step_understands_is_refused() -> None:
    with pytest.raises(NoRouteError, match="H5 -> SavedModel has no option 'quantize'; its options: none"):
        plan("H5", "SavedModel", ["quantize"])


@pytest.mark.parametrize("source", ["TensorRT", "no such format"])
def test_a_format_without_conversions_is_reported_as_such(source: str) -> None:
    with pytest.raises(NoRouteError, match="nor to any other format") as caught:
        plan(source, "ONNX")
    assert caught.value.code == "unsupported_conversion"


@pytest.mark.parametrize("source", ["SKLearn", "XGBoost", "LightGBM", "CatBoost"])
def test_a_model_of_tables_has_no_route_to_openvino_which_lacks_its_operators(source: str) -> None:
    with pytest.raises(NoRouteError, match=f"{source} cannot be converted to OpenVINO; it can be converted to ONNX"):
        plan(source, "OpenVINO")
    assert formats_on(plan(source, "ONNX", ["quantize"])) == [source, "ONNX", "ONNX"]


@pytest.mark.parametrize("source", KNOWN_FORMATS)
def test_every_documented_route_is_covered_by_a_test(source: str) -> None:
    recorded = [route.partition(" (")[0].split(" -> ") for route in json.loads(MEASURED.read_text())]
    targets = tuple(sorted({formats[-1] for formats in recorded if formats[0] == source}))
    assert reachable(source) == targets
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith(f"| {source} | ")]
    (row,) = [row for row in rows if len(row) == COLUMNS]
    assert row[6] == (", ".join(targets) or "-")


def test_reachable_targets_are_listed() -> None:
    assert reachable("H5") == ("ONNX", "OpenVINO", "SavedModel")
    assert reachable("ONNX") == ("ONNX", "OpenVINO")
    assert reachable("TensorRT") == ()


def test_every_format_of_the_table_can_run_to_check_a_conversion() -> None:
    assert {name for pair in PAIRS for name in (pair.source, pair.target)} <= set(RUNNERS)


def test_intentionally_lost_precision_has_its_own_tolerance() -> None:
    (quantize,) = plan("ONNX", "ONNX", ["quantize"])
    assert tolerance_of(quantize, {"quantize": "int8"}) == INT8
    assert tolerance_of(quantize, {"quantize": "fp16"}) == HALF


def test_every_step_and_every_runner_has_its_program_and_toolchain() -> None:
    programs = {pair.program for pair in PAIRS} | {runner.program for runner in RUNNERS.values()}
    assert {name for name in programs if not (PROGRAMS / f"{name.replace('.', '/')}.py").is_file()} == set()
    toolchains = {pair.toolchain for pair in PAIRS} | {runner.toolchain for runner in RUNNERS.values()}
    assert toolchains == set(recipe_names()) - SERVING_TOOLCHAINS


def test_every_step_was_measured_by_the_conversion_tests() -> None:
    measured = json.loads((model_files.DATA.parent / "conversions.json").read_text())
    done = {program for route in measured.values() for program in route["programs"]}
    assert {pair.program for pair in PAIRS} - done == set()
