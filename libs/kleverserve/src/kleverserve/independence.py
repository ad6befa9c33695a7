"""Determines whether a model's rows are independent of each other, by running samples alone and together.

Metadata does not show this: an output with an open first dimension may contain values collected from all rows (NonZero,
NonMaxSuppression), or shares of their sum. The result is not a proof for all inputs, but an exception would have to
apply to none of the tested rows, which are of several kinds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np

from .errors import ApiError
from .model import Model, TensorSpec
from .samples import varied
from .tensors import Array
from .trial import samples

SECONDS = 15.0
"""Timeout of the test."""
ROUNDS, ROWS = 3, 5
MOST_ROWS = 64
"""Number of rows of the largest run."""
TOLERANCE, TOLERANCE_FP16 = 1e-4, 1e-2
"""Relative to the largest number of an output: engines round differently for different batch sizes."""
TINY = 1e-6

Tensors = Mapping[str, Array]


@dataclass(frozen=True)
class Verdict:
    """The result of the test."""

    independent: bool | None
    """None if unknown."""
    reason: str = ""
    """The reason if they are not independent, or if it is unknown; part of a sentence."""


def judge(model: Model, rows: int, seconds: float = SECONDS) -> Verdict:
    """Determine whether the result of a row is the same beside any other rows, up to a number of rows."""
    for side, specs in (("input", model.inputs), ("output", model.outputs)):
        for spec in specs:
            if not _is_open(spec):
                shape = "no declared shape" if spec.shape is None else f"the shape {list(spec.shape)}"
                return Verdict(independent=False, reason=f'{side} "{spec.name}" has {shape}, not [-1, …]')
    return _Judge(model, rows, monotonic() + seconds).verdict()


def _is_open(spec: TensorSpec) -> bool:
    return spec.shape is not None and spec.shape[:1] == (-1,)


class _TimeOverError(Exception):
    pass


class _DependentError(Exception):
    pass


class _Judge:
    def __init__(self, model: Model, rows: int, end: float) -> None:
        self._model = model
        self._rows = min(rows, MOST_ROWS)
        self._end = end
        self._names = [spec.name for spec in model.outputs]

    def verdict(self) -> Verdict:
        try:
            for sample in samples(self._model):
                row = {name: array[:1] for name, array in sample.items()}
                if self._result_alone(row) is not None and self._has_enough_rows(row):
                    return Verdict(independent=True)
        except _DependentError as error:
            return Verdict(independent=False, reason=str(error))
        except _TimeOverError:
            return Verdict(independent=None, reason="it runs too slowly for the test at the start")
        return Verdict(independent=None, reason="the model rejects generated rows")

    def _has_enough_rows(self, row: Tensors) -> bool:
        """Return whether enough rows of a shape were accepted. Raises _DependentError, _TimeOverError."""
        rounds = [self._compare_rows(row, first) for first in range(0, ROUNDS * ROWS, ROWS)]
        return any(rounds)

    def _compare_rows(self, row: Tensors, first: int) -> bool:
        """Compare the rows that the model accepts alone. Returns whether there were several."""
        tried = [row, *(varied(row, seed) for seed in range(first, first + ROWS))]
        pairs = [(each, result) for each in tried if (result := self._result_alone(each)) is not None]
        if len(pairs) == 1:
            return False
        full = [pairs[at % len(pairs)] for at in range(max(self._rows, len(pairs)))]
        for company in (pairs, pairs[::-1], full):
            self._compare([given for given, _ in company], [result for _, result in company])
        return True

    def _result_alone(self, row: Tensors) -> Tensors | None:
        """Return the result of a row; None if the model rejects it."""
        try:
            result = self._run(row)
        except ApiError:
            return None
        for name, array in result.items():
            if array.shape[:1] != (1,):
                raise _DependentError(f'output "{name}" has the shape {list(array.shape)} for one row')
        return result

    def _compare(self, rows: Sequence[Tensors], expected: Sequence[Tensors]) -> None:
        count = len(rows)
        try:
            together = self._run({name: np.concatenate([each[name] for each in rows]) for name in rows[0]})
        except ApiError as error:
            raise _DependentError(f"it accepts one row, but not {count} together ({error})") from error
        for name, array in together.items():
            if array.shape[:1] != (count,):
                raise _DependentError(f'output "{name}" has the shape {list(array.shape)} for {count} rows')
            for at, wanted in enumerate(each[name] for each in expected):
                if not _is_same(array[at : at + 1], wanted):
                    raise _DependentError(f'output "{name}" of a row changes with the rows beside it')

    def _run(self, inputs: Tensors) -> Tensors:
        if monotonic() > self._end:
            raise _TimeOverError
        return self._model.predict(inputs, self._names)


def _is_same(one: Array, other: Array) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    relative = TOLERANCE_FP16 if one.dtype == np.float16 else TOLERANCE
    numbers = np.abs(np.concatenate(list(_finite(one, other)))).max(initial=0.0)
    return np.allclose(one, other, rtol=0, atol=TINY + relative * float(numbers), equal_nan=True)


def _finite(*arrays: Array) -> Iterator[Array]:
    for array in arrays:
        yield array[np.isfinite(array)].astype(np.float64)
