"""Several requests in one run."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from kleverserve.errors import InvalidRequestError
from kleverserve.model import TensorSpec
from kleverserve.tensors import Array, Datatype
from kleverserve.triton.batching import Result, Work, run_all
from support.echo_model import EchoModel

Rows: TypeAlias = list[list[float]]


class Counting(EchoModel):
    """Refuses negative numbers, and records the number of rows of each run."""

    def __init__(self) -> None:
        super().__init__([TensorSpec("x", Datatype.FP32, (-1, -1))])
        self.runs: list[int] = []

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        self.runs.append(len(inputs["x"]))
        if (inputs["x"] < 0).any():
            raise InvalidRequestError("no negative numbers")
        return super().predict(inputs, outputs)


def works(*tables: Rows) -> list[Work]:
    return [Work({"x": np.array(table, np.float32)}, ["x_out"]) for table in tables]


def rows(result: Result) -> Rows:
    assert isinstance(result, dict), result
    table: Rows = result["x_out"].tolist()
    return table


def test_a_joined_run_gives_each_request_its_own_rows() -> None:
    model = Counting()
    results = run_all(model, works([[1, 2]], [[3, 4], [5, 6]], [[7, 8]]), may_join=True)
    assert [rows(result) for result in results] == [[[1, 2]], [[3, 4], [5, 6]], [[7, 8]]]
    assert model.runs == [4]


def test_requests_are_joined_only_if_that_is_allowed() -> None:
    model = Counting()
    run_all(model, works([[1, 2]], [[3, 4]]), may_join=False)
    assert model.runs == [1, 1]


def test_a_bad_request_does_not_affect_the_others() -> None:
    model = Counting()
    good, bad = run_all(model, works([[1, 2]], [[-1, 0]]), may_join=True)
    assert rows(good) == [[1, 2]]
    assert isinstance(bad, InvalidRequestError)
    assert model.runs == [2, 1, 1]


def test_rows_of_different_lengths_are_not_joined() -> None:
    model = Counting()
    results = run_all(model, works([[1, 2]], [[3, 4, 5]]), may_join=True)
    assert [rows(result) for result in results] == [[[1, 2]], [[3, 4, 5]]]
    assert model.runs == [1, 1]


def test_each_request_gets_its_requested_outputs() -> None:
    model = EchoModel([TensorSpec(name, Datatype.FP32, (-1, 1)) for name in "ab"])
    inputs = {"a": np.ones((1, 1), np.float32), "b": np.zeros((1, 1), np.float32)}
    first, second = run_all(model, [Work(inputs, ["a_out"]), Work(inputs, ["b_out", "a_out"])], may_join=True)
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert (list(first), list(second)) == (["a_out"], ["b_out", "a_out"])


class Finding(Counting):
    """Returns the numbers above 1, of any number of rows."""

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        super().predict(inputs, outputs)
        return {"x_out": inputs["x"][inputs["x"] > 1].reshape(-1, 1)}


def test_results_that_cannot_be_split_are_never_split() -> None:
    model = Finding()
    results = run_all(model, works([[1, 2]], [[3, 4]]), may_join=True)
    assert [rows(result) for result in results] == [[[2]], [[3], [4]]]
    assert model.runs == [2, 1, 1]
