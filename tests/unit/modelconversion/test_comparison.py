"""Samples generated from a signature, and the definition of a difference."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kleverproto.signatures import Tensor
from modelconversion.checks.comparison import compare
from modelconversion.checks.samples import NoSamplesError, given_samples, samples_for
from modelconversion.errors import ConversionError
from modelconversion.pairs import HALF, INT8, Tolerance

STRICT = Tolerance(absolute=1e-6, relative=1e-4)


def one(values: list[float]) -> dict[str, NDArray[Any]]:
    return {"y": np.array(values, np.float32)}


def test_free_sizes_become_small_and_a_symbol_is_the_same_everywhere() -> None:
    samples, *_ = samples_for(
        [
            Tensor(name="image", dtype="float32", shape=(-1, 3, -1, 7)),
            Tensor(name="tokens", dtype="int64", shape=("batch", "length")),
            Tensor(name="flag", dtype="bool", shape=("batch", "length")),
        ]
    )
    assert [(name, value.dtype.name, value.shape) for name, value in samples.items()] == [
        ("image", "float32", (3, 3, 16, 7)),
        ("tokens", "int64", (3, 16)),
        ("flag", "bool", (3, 16)),
    ]


def test_samples_are_reproducible() -> None:
    inputs = [Tensor(name="x", dtype="float32", shape=(2, 2)), Tensor(name="q", dtype="int8", shape=(2, 2))]
    for first, second in zip(samples_for(inputs), samples_for(inputs), strict=True):
        assert all(np.array_equal(first[name], second[name]) for name in ("x", "q"))


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        pytest.param(None, "the inputs of the model are not known", id="no inputs"),
        pytest.param(Tensor(name="x", dtype="float32"), "the shape of input x is not known", id="no shape"),
        pytest.param(Tensor(name="x", dtype="str", shape=(1,)), "of type str", id="strings"),
        pytest.param(Tensor(name="x", dtype="no type", shape=(1,)), "of type no type", id="strange type"),
        pytest.param(Tensor(name="x", dtype="int8", shape=(2**40,)), "too large", id="huge"),
    ],
)
def test_no_samples_are_made_for_unknown_types_or_shapes(tensor: Tensor | None, reason: str) -> None:
    with pytest.raises(NoSamplesError, match=reason):
        samples_for([tensor] if tensor else [])


def test_the_largest_difference_of_each_output_is_reported() -> None:
    (difference,) = compare(one([1, 2, 4]), one([1, 2.0001, 4]), STRICT)
    assert difference.output == "y"
    assert difference.absolute == pytest.approx(1e-4, rel=1e-2)
    assert difference.relative == pytest.approx(1e-4 / 3, rel=1e-2)
    assert (difference.largest, difference.range) == (4, 3)
    assert difference.note is None


@pytest.mark.parametrize(
    ("source", "result", "message"),
    [
        pytest.param(one([1, 2]), one([1, 2.1]), "by up to 0.1 .* more than the 0.000103", id="value"),
        pytest.param(one([1, 2]), one([1, 2, 3]), r"shape \(3,\), the source's has \(2,\)", id="size"),
        pytest.param(one([1, 2]), {}, "has 0 outputs, the source 1", id="outputs"),
        pytest.param(one([1, 2]), one([1, float("nan")]), "by up to inf", id="nan"),
        pytest.param(one([1, float("inf")]), one([1, float("-inf")]), "by up to inf", id="inf"),
        pytest.param({"y": np.array(["a", "b"])}, {"y": np.array(["a", "c"])}, "by up to 0.5", id="labels"),
        pytest.param({"y": np.array([1, 2])}, {"y": np.array([1, 0])}, "by up to 0.5", id="integers"),
    ],
)
def test_a_difference_over_the_tolerance_fails(
    source: dict[str, NDArray[Any]], result: dict[str, NDArray[Any]], message: str
) -> None:
    with pytest.raises(ConversionError, match=message) as caught:
        compare(source, result, STRICT)
    assert caught.value.code == "verification_failed"


def test_non_finite_values_equal_themselves() -> None:
    values = one([1.5, float("nan"), float("inf"), -2])
    assert compare(values, values, STRICT)[0].absolute == 0


def test_outputs_are_matched_by_name_or_else_by_position() -> None:
    a, b = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    assert [d.absolute for d in compare({"a": a, "b": b}, {"b": b, "a": a}, STRICT)] == [0, 0]
    assert [d.absolute for d in compare({"a": a, "b": b}, {"x": a, "y": b}, STRICT)] == [0, 0]


def test_an_added_or_dropped_dimension_of_one_is_not_a_difference() -> None:
    assert compare({"y": np.ones((3, 1)) * [[1], [2], [3]]}, {"y": np.array([1.0, 2, 3])}, STRICT)[0].absolute == 0


@pytest.mark.parametrize(
    ("values", "note"),
    [
        pytest.param([1e-9, 2e-9], "almost zero", id="zero"),
        pytest.param([1.0, 1.0], "almost the same", id="constant"),
        pytest.param([float("nan")] * 2, "no finite value", id="nan"),
    ],
)
def test_outputs_that_prove_nothing_are_reported(values: list[float], note: str) -> None:
    (difference,) = compare(one(values), one(values), STRICT)
    assert difference.note is not None
    assert note in difference.note


def test_labels_that_are_all_the_same_prove_little() -> None:
    labels = {"label": np.array(["a", "a"])}
    assert compare(labels, labels, STRICT)[0].note is not None


def test_an_input_without_a_type_gets_any_numbers() -> None:
    assert samples_for([Tensor(name="x", shape=(-1, 3))])[0]["x"].dtype == "float32"


def test_given_samples_have_the_types_of_the_inputs() -> None:
    inputs = [Tensor(name="x", dtype="float32", shape=(-1, 2)), Tensor(name="word", dtype="str", shape=(-1,))]
    made = given_samples({"x": [[1, 2]], "word": ["a"]}, inputs)
    assert (made["x"].dtype.name, made["x"].shape) == ("float32", (1, 2))
    assert made["word"].tolist() == ["a"]
    assert given_samples({"y": [1.5]}, [])["y"].tolist() == [1.5]


@pytest.mark.parametrize(
    ("values", "reason"),
    [({"y": [1]}, "the model's inputs are x; the samples are for y"), ({"x": [[1], [2, 3]]}, "are not arrays")],
)
def test_given_samples_that_do_not_fit_are_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConversionError, match=reason) as caught:
        given_samples(values, [Tensor(name="x", dtype="float32", shape=(-1,))])
    assert caught.value.code == "invalid_samples"


def test_a_difference_is_relative_to_the_outputs_range_and_not_its_offset() -> None:
    source, halved = one([100, 100.5, 101.2]), one([100, 100.25, 101.2])
    with pytest.raises(ConversionError, match=r"by up to 0.25 \(its range is 1.2\)"):
        compare(source, halved, HALF)
    assert compare(source, one([100.00002, 100.5, 101.2]), Tolerance(1e-5))  # rounding of float32 at this size


@pytest.mark.parametrize("tolerance", [HALF, INT8], ids=["fp16", "int8"])
def test_a_difference_of_small_values_is_relative_to_their_range_too(tolerance: Tolerance) -> None:
    with pytest.raises(ConversionError, match=r"its range is 0\.004"):
        compare(one([0.001, 0.003, 0.005]), one([0.001, 0.003, 0.004]), tolerance)


def test_a_difference_of_constant_values_is_relative_to_their_size() -> None:
    (difference,) = compare(one([0.5, 0.5]), one([0.5005, 0.5005]), HALF)
    assert difference.range == 0.5
    assert difference.relative == pytest.approx(1e-3, rel=1e-2)
