"""Values of model inputs from files: JSON, CSV, .npy, .npz and pictures."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import InputError


@dataclass(frozen=True)
class Table:
    """Rows of text, with or without a header."""

    header: tuple[str, ...]
    """Empty if the first row contains numbers."""
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        """Return the cells of a column."""
        index = self.header.index(name)
        return [row[index] for row in self.rows]


def read_values(path: Path, pixels: str | None = None) -> Any:
    """Read a file: nested lists, a Table, a Picture, or for .npz a dictionary of lists.

    Args:
        path: the file; its suffix is its format, and all other suffixes are JSON.
        pixels: for pictures, see `Picture`.

    Raises:
        InputError: the file cannot be read as that format.
    """
    from .pictures import SUFFIXES, Picture  # noqa: PLC0415 - loads NumPy and Pillow

    suffix = path.suffix.lower()
    try:
        if suffix in SUFFIXES:
            with path.open("rb"):
                return Picture(path, pixels)
        if suffix in {".npy", ".npz"}:
            return _arrays(path)
        text = path.read_text()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text: JSON, .csv, .npy, .npz and pictures can be read") from error
    return _table(path, text) if suffix == ".csv" else read_json(text, str(path))


def read_json(text: str, what: str) -> Any:
    """Parse JSON. Raises InputError with the given description of the source."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"the values of {what} are not JSON ({error}): write [[1.0, 2.0]]") from error


def _arrays(path: Path) -> Any:
    import numpy as np  # noqa: PLC0415 - one use

    try:
        loaded = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise InputError(f"{path} contains no arrays of numbers or text: {error}") from error
    if path.suffix.lower() == ".npy":
        return loaded.tolist()
    with loaded:
        return {name: loaded[name].tolist() for name in loaded.files}


def _table(path: Path, text: str) -> Table:
    rows = [tuple(cell.strip() for cell in row) for row in csv.reader(text.splitlines()) if row]
    if not rows:
        raise InputError(f"{path} is empty")
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise InputError(f"{path} has rows of {min(widths)} to {max(widths)} cells: all rows must have the same number")
    if all(_is_number(cell) for cell in rows[0]):
        return Table((), tuple(rows))
    return Table(rows[0], tuple(rows[1:]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == ""
    return True
