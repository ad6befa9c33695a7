"""Values that a model distinguishes, from its files: sizes of vocabularies, thresholds, categories.

Programs read them (`programs/<family>/hints.py`), each in the toolchain of its format, and write an .npz file: the
array `limit/<input>` with one integer, and `values/<column>` and `odd/<column>` with the values of a column of a table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMIT, VALUES, ODD = "limit/", "values/", "odd/"


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    values: tuple[Any, ...] = ()
    """Values on both sides of each threshold, or each category."""
    odd: tuple[Any, ...] = ()
    """Further values that the model accepts: a missing value, an unknown category."""

    @property
    def is_text(self) -> bool:
        """True if the values are strings."""
        return any(isinstance(value, str) for value in self.values)


@dataclass(frozen=True)
class Hints:
    """Hints for drawing samples."""

    limits: Mapping[str, int] = field(default_factory=dict)
    """Input to the number of entries of the table that its integers index."""
    columns: Mapping[int, Column] = field(default_factory=dict)
    """Position of a column in the table to its values."""

    def with_more(self, other: "Hints") -> "Hints":
        """Return both hints combined; the other's take precedence."""
        return Hints({**self.limits, **other.limits}, {**self.columns, **other.columns})

    def renamed(self, known: Sequence[str], wanted: Sequence[str]) -> "Hints":
        """Return the limits with the wanted names, because a converter may have renamed the inputs."""
        if len(known) != len(wanted) or set(known) == set(wanted):
            return self
        names = dict(zip(known, wanted, strict=True))
        return Hints({names.get(name, name): limit for name, limit in self.limits.items()}, self.columns)


def read_hints(arrays: Mapping[str, NDArray[Any]]) -> Hints:
    """Parse the hints of a program. Raises ValueError, TypeError or IndexError if they are invalid."""
    limits = {name.removeprefix(LIMIT): int(array) for name, array in arrays.items() if name.startswith(LIMIT)}
    columns = {
        int(name.removeprefix(VALUES)): Column(
            tuple(array.tolist()), tuple(arrays.get(ODD + name.removeprefix(VALUES), np.array([])).tolist())
        )
        for name, array in arrays.items()
        if name.startswith(VALUES)
    }
    return Hints({name: limit for name, limit in limits.items() if limit > 0}, columns)
