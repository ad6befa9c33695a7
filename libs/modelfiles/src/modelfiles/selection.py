"""Selects the file of a model in its directory, with the same rule in parsers, model servers and conversions.

Model files are at the top of the directory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from zipfile import BadZipFile, ZipFile

SHOWN = 5
"""Maximum number of files that an error names."""
ZIP_MAGIC = b"PK\x03\x04"


class FileSelectionError(Exception):
    """The directory contains no file of the model, or more than one; the message names the files."""


@dataclass(frozen=True)
class Rule:
    """The rule that selects the file of a format.

    If `is_certain`, content decides, and usual names decide between several files with the right content; a file with
    only a usual name is selected if no file has the right content, so that the loader reports the problem. Otherwise
    every file with a usual name or the right content counts, and there must be exactly one.
    """

    format: str
    names: tuple[str, ...]
    """Usual names as patterns; case is ignored."""
    looks_like: Callable[[Path], bool]
    """Returns whether a file begins like the format."""
    is_certain: bool = True
    """True if all files of the format look like it; compressed files, for example, do not."""

    def named(self, directory: Path) -> list[Path]:
        """Return the files with a usual name."""
        return files_matching(directory, *self.names)

    def alike(self, directory: Path) -> list[Path]:
        """Return the files that look like the format, with any name."""
        return [path for path in files_matching(directory, "*") if self.looks_like(path)]

    def is_followed(self, directory: Path) -> bool:
        """Return whether a file has a usual name, or exactly one looks like the format."""
        return bool(self.named(directory)) or len(self.alike(directory)) == 1

    def candidates(self, directory: Path) -> list[Path]:
        """Return the files that may be the model, in order."""
        named, alike = self.named(directory), self.alike(directory)
        if not self.is_certain:
            return sorted({*named, *alike})
        return sorted({*alike} & {*named}) or alike or named

    def file(self, directory: Path) -> Path:
        """Return the model's file.

        Raises:
            FileSelectionError: there is none, or more than one; the message names the files.
        """
        candidates, wanted = self.candidates(directory), " or ".join(self.names)
        if not candidates:
            raise FileSelectionError(
                f"there is no {wanted} at the top of the model's directory, nor another file there that begins as "
                f"{self.format} does: put the model's file there"
            )
        return only(candidates, f"{wanted} or other file that begins as {self.format} does")


@dataclass(frozen=True)
class Fixed:
    """The rule of a format that prescribes the path of its main file."""

    format: str
    places: tuple[str, ...]
    """Paths relative to the model's directory; the first existing one is used."""

    def is_followed(self, directory: Path) -> bool:
        """Return whether such a file exists."""
        return bool(self._present(directory))

    def file(self, directory: Path) -> Path:
        """Return the model's file.

        Raises:
            FileSelectionError: it does not exist.
        """
        present = self._present(directory)
        if not present:
            raise FileSelectionError(f"there is no {' or '.join(self.places)} in the model's directory")
        return present[0]

    def _present(self, directory: Path) -> list[Path]:
        return [path for place in self.places if (path := directory / place).is_file()]


def only(candidates: Sequence[Path], wanted: str) -> Path:
    """Return the only candidate.

    Args:
        candidates: files or directories.
        wanted: their description in the message.

    Raises:
        FileSelectionError: there is none, or more than one; the message names them.
    """
    if not candidates:
        raise FileSelectionError(f"there is no {wanted}")
    if len(candidates) > 1:
        names = ", ".join(path.name for path in candidates[:SHOWN])
        raise FileSelectionError(f"expected one {wanted}, found {len(candidates)}: {names}")
    return candidates[0]


def files_matching(directory: Path, *patterns: str) -> list[Path]:
    """Return the regular files at the top of a directory whose names match a pattern, in order.

    Empty if the directory cannot be read. Case is ignored.
    """
    try:
        present = sorted(directory.iterdir())
    except OSError:
        return []
    lowered = [pattern.lower() for pattern in patterns]
    return [
        path
        for path in present
        if any(fnmatchcase(path.name.lower(), pattern) for pattern in lowered) and path.is_file()
    ]


def head(path: Path, size: int) -> bytes:
    """Return the first bytes of a file; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def member_names(path: Path) -> list[str]:
    """Return the names in a zip archive; empty if the file is not a readable archive."""
    if head(path, len(ZIP_MAGIC)) != ZIP_MAGIC:
        return []
    try:
        with ZipFile(path) as archive:
            return archive.namelist()
    except (BadZipFile, OSError, ValueError, NotImplementedError):
        return []
