"""Checks that the data which a model's file stores in other files of its directory is complete.

The data is not read.
"""

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import InvalidModelError

SHOWN = 3
"""Maximum number of files that an error names; the rest is counted."""
LONGEST_NUMBER = 18
"""Maximum number of digits of a size in bytes."""
NUMBERED = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\..+)", re.DOTALL)
"""Names of files of a split model in Hugging Face's libraries and llama.cpp."""


@dataclass(frozen=True, slots=True)
class Part:
    """The declaration of one piece of data in the model's file."""

    what: str
    """Description for people, such as `the weights 'w'`."""
    file: str
    """Path relative to the directory of the model's file, with slashes, as written there."""
    end: int = 0
    """Minimum size of the file in bytes."""


def whole_bytes(text: str | None) -> int:
    """Parse a number of bytes; 0 if it is invalid."""
    is_number = text is not None and text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER
    return int(text) if text is not None and is_number else 0


def check_parts(model: Path, parts: Iterable[Part]) -> None:
    """Check that the files exist, and have the size that the model's file declares.

    Raises:
        InvalidModelError: a file is missing, too short, or outside the model's directory.
    """
    furthest: dict[str, Part] = {}
    for part in parts:
        if part.file not in furthest or part.end > furthest[part.file].end:
            furthest[part.file] = part
    problems = [problem for part in furthest.values() if (problem := _problem(model, part))]
    if problems:
        more = len(problems) - SHOWN
        raise InvalidModelError("; ".join(problems[:SHOWN]) + (f"; and {more} more files" if more > 0 else ""))


def _problem(model: Path, part: Part) -> str | None:
    kept = f"{model.name} keeps {part.what} in {part.file!r}"
    normal = posixpath.normpath(part.file)
    if not part.file or posixpath.isabs(normal) or normal.split("/")[0] == "..":
        return f"{kept}, outside the model's directory, which is never read: save the model with its data beside it"
    path = model.parent / part.file
    if not path.is_file():
        return f"{kept}, which is missing: copy that file into the model's directory, where {model.name} expects it"
    if (size := path.stat().st_size) < part.end:
        return f"{kept} up to byte {part.end}, but the file has only {size}: it was not copied whole, copy it again"
    return None


def check_numbered(files: Iterable[Path]) -> None:
    """Check that all files named `…-00001-of-00003.…` of a split model exist.

    Raises:
        InvalidModelError: some of them are missing.
    """
    sets = defaultdict[tuple[str, ...], set[int]](set)
    for path in files:
        if named := NUMBERED.fullmatch(path.name):
            start, number, count, end = named.groups()
            sets[start, count, end].add(int(number))
    for (start, count, end), there in sets.items():
        missing = sorted(set(range(1, int(count) + 1)) - there)
        if missing:
            name = f"{start}-{missing[0]:0{len(count)}}-of-{count}{end}"
            raise InvalidModelError(
                f"{name!r} is missing ({len(missing)} of {int(count)} files are): the model was not copied whole, "
                "copy the rest too"
            )
