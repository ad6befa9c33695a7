"""Sets of samples: their coverage of a model, and the order in which they are tried."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kleverproto.signatures import Tensor
from modelconversion.checks.hints import Column, Hints, read_hints
from modelconversion.checks.samples import samples_for
from modelconversion.programs.program import ProblemError, Request
from modelconversion.programs.samples import first_that_runs, read_samples, write_results
from modelconversion.programs.table_hints import Columns

TOKENS = Tensor(name="tokens", dtype="int64", shape=(-1, -1))
MATRIX = Tensor(name="input", dtype="float32", shape=(-1, 2))


def test_images_of_any_size_are_tried_in_several_sizes() -> None:
    sides = [
        each["image"].shape[1] for each in samples_for([Tensor(name="image", dtype="float32", shape=(-1, -1, -1, 3))])
    ]
    assert sides[0] == 16
    assert {28, 32, 64, 224, 299} <= set(sides)


def test_a_batch_of_one_is_tried_too() -> None:
    assert any(each["x"].shape == (1, 3) for each in samples_for([Tensor(name="x", dtype="float32", shape=(-1, 3))]))


def test_integers_are_drawn_from_the_whole_known_vocabulary() -> None:
    (first, *_) = samples_for([TOKENS], Hints(limits={"tokens": 30000}))
    assert first["tokens"].max() > 10000
    assert any(
        each["tokens"].max() < 4 for each in samples_for([TOKENS], Hints(limits={"tokens": 30000}))
    )  # if it is wrong


def test_integers_of_an_unknown_vocabulary_become_small_step_by_step() -> None:
    largest = [int(each["tokens"].max()) for each in samples_for([TOKENS])]
    assert largest[0] > 100
    assert min(largest) == 1


def test_masks_and_token_types_are_zeros_and_ones_and_never_mask_all() -> None:
    names = ["attention_mask", "token_type_ids", "segment_ids"]
    for each in samples_for([Tensor(name=name, dtype="int64", shape=(-1, -1)) for name in names]):
        for name in names:
            assert set(np.unique(each[name])) <= {0, 1}
            assert (each[name].max(axis=1) == 1).all()


def test_a_column_has_every_category_with_unknown_ones_and_gaps_first_and_then_without() -> None:
    hints = Hints(columns={0: Column((10.0, 11.0, 12.0), (13.0,)), 1: Column((0.5, 1.5), (float("nan"),))})
    first, second, *_ = samples_for([MATRIX], hints)
    assert set(first["input"][:, 0]) == {10, 11, 12, 13}
    assert np.isnan(first["input"][:, 1]).sum() == 8
    assert set(second["input"][:, 0]) == {10, 11, 12}
    assert set(second["input"][:, 1]) == {0.5, 1.5}


def test_columns_that_are_separate_inputs_have_their_values() -> None:
    inputs = [Tensor(name=name, dtype="float64", shape=(-1,)) for name in ("a", "b")]
    (first, *_) = samples_for(inputs, Hints(columns={1: Column((7.0, 8.0))}))
    assert set(first["b"]) == {7, 8}
    assert len(set(first["a"])) > 10


def test_text_categories_are_text() -> None:
    (first, second, *_) = samples_for(
        [Tensor(name="input", shape=(-1, 2))], Hints(columns={i: Column(("red", "blue"), ("green",)) for i in (0, 1)})
    )
    assert first["input"].dtype.kind == "U"
    assert set(first["input"].ravel()) == {"red", "blue", "green"}
    assert set(second["input"].ravel()) == {"red", "blue"}


def test_integer_columns_have_no_gaps() -> None:
    whole = Tensor(name="input", dtype="int64", shape=(-1, 1))
    (first, *_) = samples_for([whole], Hints(columns={0: Column((1.0, 2.0), (float("nan"),))}))
    assert first["input"].dtype == "int64"
    assert set(first["input"].ravel()) == {1, 2}


def request(directory: Path, samples: list[Any]) -> Request:
    """A request to run a model on sets of samples."""
    for name in ("samples", "results"):
        (directory / name).mkdir()
    for number, values in enumerate(samples):
        np.savez(directory / "samples" / f"{number:02}.npz", x=np.array(values))
    return Request(directory, directory, directory / "r", samples=directory / "samples", results=directory / "results")


def model(compute: Callable[[Any], Any]) -> Callable[[Request], dict[str, str]]:
    """A program that runs a model of one input and one output."""

    def work(request: Request) -> dict[str, str]:
        write_results(request, {"y": compute(read_samples(request)["x"])})
        return {"engine": "1"}

    return work


def used(directory: Path) -> list[str]:
    return [path.stem for path in (directory / "results").iterdir()]


def below_three(x: Any) -> Any:
    if x.max() > 3:
        raise ValueError("no such row")
    return x


def test_the_first_set_that_the_model_accepts_is_used(tmp_path: Path) -> None:
    assert first_that_runs(model(below_three))(request(tmp_path, [[9, 1], [2, 3], [0, 1]])) == {"engine": "1"}
    assert used(tmp_path) == ["01"]


def test_a_set_with_uninformative_outputs_gives_way_to_an_informative_one(tmp_path: Path) -> None:
    first_that_runs(model(lambda x: np.minimum(x, 1.0)))(request(tmp_path, [[5.0, 9.0], [np.nan, 7.0], [0.1, 0.2]]))
    assert used(tmp_path) == ["02"]


def test_the_first_set_that_ran_is_used_if_no_outputs_are_informative(tmp_path: Path) -> None:
    first_that_runs(model(lambda x: x * 0.0))(request(tmp_path, [[5.0, 9.0], [0.1, 0.2]]))
    assert used(tmp_path) == ["00"]


def test_one_value_is_as_uninformative_as_many_equal_ones(tmp_path: Path) -> None:
    first_that_runs(model(lambda x: x * 0.0 + 4.0))(request(tmp_path, [[5.0, 9.0], [0.1]]))
    assert used(tmp_path) == ["00"]


def test_the_reason_of_the_first_set_is_given_if_none_runs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such row"):
        first_that_runs(model(below_three))(request(tmp_path, [[9], [8]]))


def test_a_failure_of_every_set_is_not_retried(tmp_path: Path) -> None:
    tried: list[int] = []

    def compute(x: Any) -> Any:
        tried.append(len(x))
        raise ProblemError("invalid_model", "takes two inputs")

    with pytest.raises(ProblemError, match="takes two inputs"):
        first_that_runs(model(compute))(request(tmp_path, [[1], [2]]))
    assert len(tried) == 1


def test_hints_of_tables_lie_on_both_sides_of_each_threshold_and_on_none(tmp_path: Path) -> None:
    columns = Columns()
    for threshold in (1.0, 3.0, 3.00000001):
        columns.threshold(0, threshold)
    columns.values(2, ["red", "blue"])
    columns.odd(2, "green")
    columns.missing([0])
    columns.write(Request(tmp_path, tmp_path, tmp_path, samples=tmp_path, results=tmp_path / "hints.npz"))
    with np.load(tmp_path / "hints.npz") as arrays:
        hints = read_hints(dict(arrays))
    assert hints.columns[0].values == (-1.0, 2.0, pytest.approx(7.0))
    assert np.isnan(hints.columns[0].odd[0])
    assert hints.columns[2] == Column(("red", "blue"), ("green",))


def test_a_limit_belongs_to_the_input_under_any_name_of_the_converter() -> None:
    hints = read_hints({"limit/serving_default_tokens:0": np.array(50)})
    assert hints.renamed(["serving_default_tokens:0"], ["tokens"]).limits == {"tokens": 50}
