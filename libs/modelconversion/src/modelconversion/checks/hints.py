"""What a model's files contain about the values that it distinguishes: sizes of vocabularies, thresholds, categories.

Programs read them (`programs/<family>/hints.py`), each in its format's toolchain, and write an .npz file: the array
`limit/<input>` with one integer, `values/<column>` and `odd/<column>` with the values of a column of a table.
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
    """On either side of each threshold, or each category."""
    odd: tuple[Any, ...] = ()
    """What the model takes besides: a missing value, a category that it does not know."""

    @property
    def is_text(self) -> bool:
        """Whether the values are strings."""
        return any(isinstance(value, str) for value in self.values)


@dataclass(frozen=True)
class Hints:
    """What to draw samples from."""

    limits: Mapping[str, int] = field(default_factory=dict)
    """Input to the number of entries that its integers are indices into."""
    columns: Mapping[int, Column] = field(default_factory=dict)
    """Position of a column in the table to what is known of it."""

    def with_more(self, other: "Hints") -> "Hints":
        """Both; of what both know, the other's."""
        return Hints({**self.limits, **other.limits}, {**self.columns, **other.columns})

    def renamed(self, known: Sequence[str], wanted: Sequence[str]) -> "Hints":
        """The limits by the wanted names, where a converter has given the inputs others."""
        if len(known) != len(wanted) or set(known) == set(wanted):
            return self
        names = dict(zip(known, wanted, strict=True))
        return Hints({names.get(name, name): limit for name, limit in self.limits.items()}, self.columns)


def read_hints(arrays: Mapping[str, NDArray[Any]]) -> Hints:
    """Hints as a program has written them. Raises ValueError, TypeError or IndexError where it did not."""
    limits = {name.removeprefix(LIMIT): int(array) for name, array in arrays.items() if name.startswith(LIMIT)}
    columns = {
        int(name.removeprefix(VALUES)): Column(
            tuple(array.tolist()), tuple(arrays.get(ODD + name.removeprefix(VALUES), np.array([])).tolist())
        )
        for name, array in arrays.items()
        if name.startswith(VALUES)
    }
    return Hints({name: limit for name, limit in limits.items() if limit > 0}, columns)
