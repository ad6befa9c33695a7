"""Values that a model of a table distinguishes, by column, as collected by the programs for hints."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from .program import Request
from .samples import write_results

_MOST = 256
"""Maximum number of values of a column; of more, a selection is kept."""
_NARROW = 1e-5
"""A gap between thresholds that is relatively smaller may be lost in float32."""


class Columns:
    """The known values of each column of a table."""

    def __init__(self) -> None:
        self._thresholds: dict[int, set[float]] = defaultdict(set)
        self._values: dict[int, list[Any]] = defaultdict(list)
        self._odd: dict[int, list[Any]] = defaultdict(list)

    def threshold(self, column: int, value: float) -> None:
        """Record a value that separates values with different results."""
        if np.isfinite(value):
            self._thresholds[column].add(float(value))

    def values(self, column: int, values: Iterable[Any]) -> None:
        """Record values of a column."""
        self._values[column] += list(values)

    def odd(self, column: int, value: Any) -> None:
        """Record an unusual value that a column may have."""
        self._odd[column].append(value)

    def missing(self, columns: Iterable[int]) -> None:
        """Record columns that may have missing values."""
        for column in columns:
            self.odd(column, np.nan)

    def write(self, request: Request) -> None:
        """Write all hints in the format of `hints.read_hints`."""
        arrays = {}
        for column in sorted(self._thresholds.keys() | self._values.keys()):
            values = [*self._values[column], *_between(sorted(self._thresholds[column]))]
            kept = values[:: len(values) // _MOST + 1]
            arrays[f"values/{column}"] = _array(kept)
            if self._odd[column]:
                arrays[f"odd/{column}"] = _array(self._odd[column])
        write_results(request, arrays)


def _between(thresholds: list[float]) -> list[float]:
    """Return a value on either side of each threshold, but none at a threshold."""
    if not thresholds:
        return []
    inner = [(low + high) / 2 for low, high in pairwise(thresholds) if high - low > _NARROW * max(abs(low), abs(high))]
    return [thresholds[0] - 1 - abs(thresholds[0]), *inner, thresholds[-1] + 1 + abs(thresholds[-1])]


def _array(values: list[Any]) -> np.ndarray[Any, Any]:
    """Return numbers, or strings if any of them is one, because files of arrays contain no mixture."""
    if any(isinstance(value, str) for value in values):
        return np.array([str(value) for value in values])
    return np.array(values)
