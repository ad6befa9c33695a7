"""The independence of a model's rows, shown by running them alone and together."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pytest

from kleverserve.errors import ExecutionError, InvalidRequestError
from kleverserve.independence import judge
from kleverserve.model import TensorSpec
from kleverserve.tensors import Array, Datatype
from support.echo_model import EchoModel

Function: TypeAlias = Callable[[Array], Array]


class Calculates(EchoModel):
    """`y` is a function of `x`."""

    def __init__(self, function: Function, shape: tuple[int, ...] | None, datatype: Datatype = Datatype.FP32) -> None:
        super().__init__([TensorSpec("x", datatype, shape)])
        self.outputs = [TensorSpec("y", datatype, shape)]
        self._function = function

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        return dict.fromkeys(outputs, self._function(inputs["x"]))


def only_positive(rows: Array) -> Array:
    if (rows <= 0).any():
        raise InvalidRequestError("only positive numbers")
    return rows


def one_at_a_time(rows: Array) -> Array:
    if len(rows) > 1:
        raise ExecutionError("cannot reshape")
    return rows


def at_most_ten(rows: Array) -> Array:
    return rows if len(rows) <= 10 else rows[::-1]


def rounded_otherwise(rows: Array) -> Array:
    return rows * np.float32(1 + 1e-6 * len(rows))


def quantised(rows: Array) -> Array:
    """Quantises like DynamicQuantizeLinear of ONNX, whose scale comes from the whole tensor."""
    scale = max(float(np.abs(rows).max()), 1e-9) / 127
    return np.asarray(np.round(rows / scale) * scale)


MATRIX = (-1, 4)


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (np.sin, MATRIX),
        (np.sin, (-1,)),
        (np.sin, (-1, -1, 3)),
        (only_positive, MATRIX),
        (rounded_otherwise, MATRIX),
        (lambda rows: rows / 0, MATRIX),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_rows_that_do_not_affect_others_are_independent(function: Function, shape: tuple[int, ...]) -> None:
    assert judge(Calculates(function, shape), 32).independent is True


@pytest.mark.parametrize(
    ("function", "shape", "reason"),
    [
        (lambda rows: np.flatnonzero(rows > 0.5), (-1,), 'output "y" has the shape'),
        (lambda rows: rows[:1], MATRIX, 'output "y" has the shape [1, 4] for'),
        (lambda rows: rows - rows.mean(axis=0), MATRIX, 'output "y" of a row changes with the rows beside it'),
        (lambda rows: np.cumsum(rows, axis=0), MATRIX, "changes with"),
        (lambda rows: rows / max(np.abs(rows).max(), 1e-9), MATRIX, "changes with"),
        (lambda rows: rows + np.arange(len(rows))[:, None], MATRIX, "changes with"),
        (quantised, MATRIX, "changes with"),
        (at_most_ten, MATRIX, "changes with"),
        (one_at_a_time, MATRIX, "it accepts one row, but not 6 together (cannot reshape)"),
        (np.sin, None, 'input "x" has no declared shape'),
        (np.sin, (3, 2), 'input "x" has the shape [3, 2], not [-1, …]'),
    ],
)
def test_rows_that_affect_others_are_not_independent(
    function: Function, shape: tuple[int, ...] | None, reason: str
) -> None:
    verdict = judge(Calculates(function, shape), 32)
    assert verdict.independent is False
    assert reason in verdict.reason


@pytest.mark.parametrize("datatype", list(Datatype))
def test_independence_is_judged_for_rows_of_every_datatype(datatype: Datatype) -> None:
    assert judge(Calculates(lambda rows: rows, MATRIX, datatype), 8).independent is True
    assert judge(Calculates(lambda rows: rows[::-1], MATRIX, datatype), 8).independent is False


def refuses(rows: Array) -> Array:
    raise InvalidRequestError(f"not {rows.shape}")


@pytest.mark.parametrize(
    ("function", "seconds", "reason"),
    [(refuses, 60, "the model rejects generated rows"), (np.sin, -1, "too slowly")],
)
def test_rows_that_cannot_be_tried_have_an_unknown_independence(
    function: Function, seconds: float, reason: str
) -> None:
    verdict = judge(Calculates(function, MATRIX), 8, seconds)
    assert verdict.independent is None
    assert reason in verdict.reason
