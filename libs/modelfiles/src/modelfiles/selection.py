"""Which file of a model's directory is the model: the one rule, for parsers, model servers and conversions.

Model files are at the top of the directory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from zipfile import BadZipFile, ZipFile

SHOWN = 5
"""Files that an error names."""
ZIP_MAGIC = b"PK\x03\x04"


class FileSelectionError(Exception):
    """The directory holds no file that is the model, or more than one; the message names what it holds."""


@dataclass(frozen=True)
class Rule:
    """How the file of a format is chosen.

    Where `is_certain`, content decides, and usual names decide between several files of the right content; a file that
    only has a usual name is chosen where no content is right, so that the loader reports the problem. Otherwise
    every file of a usual name or the right content counts, and there must be one.
    """

    format: str
    names: tuple[str, ...]
    """Usual names, as patterns; upper and lower case are the same."""
    looks_like: Callable[[Path], bool]
    """Whether a file begins as the format does."""
    is_certain: bool = True
    """Whether every file of the format looks like it; compressed ones, for instance, do not."""

    def named(self, directory: Path) -> list[Path]:
        """The files that have a usual name."""
        return files_matching(directory, *self.names)

    def alike(self, directory: Path) -> list[Path]:
        """The files that look like the format, whatever they are called."""
        return [path for path in files_matching(directory, "*") if self.looks_like(path)]

    def is_followed(self, directory: Path) -> bool:
        """Whether a file has a usual name, or exactly one looks like the format."""
        return bool(self.named(directory)) or len(self.alike(directory)) == 1

    def candidates(self, directory: Path) -> list[Path]:
        """The files that may be the model, in order."""
        named, alike = self.named(directory), self.alike(directory)
        if not self.is_certain:
            return sorted({*named, *alike})
        return sorted({*alike} & {*named}) or alike or named

    def file(self, directory: Path) -> Path:
        """The model's file.

        Raises:
            FileSelectionError: there is none, or more than one; names what is there.
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
    """The rule of a format that prescribes where its main file is."""

    format: str
    places: tuple[str, ...]
    """Paths from the model's directory, the first that is there counts."""

    def is_followed(self, directory: Path) -> bool:
        """Whether there is such a file."""
        return bool(self._present(directory))

    def file(self, directory: Path) -> Path:
        """The model's file.

        Raises:
            FileSelectionError: there is none.
        """
        present = self._present(directory)
        if not present:
            raise FileSelectionError(f"there is no {' or '.join(self.places)} in the model's directory")
        return present[0]

    def _present(self, directory: Path) -> list[Path]:
        return [path for place in self.places if (path := directory / place).is_file()]


def only(candidates: Sequence[Path], wanted: str) -> Path:
    """The one candidate.

    Args:
        candidates: files or directories.
        wanted: what they are called in the message.

    Raises:
        FileSelectionError: there is none, or more than one; names them.
    """
    if not candidates:
        raise FileSelectionError(f"there is no {wanted}")
    if len(candidates) > 1:
        names = ", ".join(path.name for path in candidates[:SHOWN])
        raise FileSelectionError(f"expected one {wanted}, found {len(candidates)}: {names}")
    return candidates[0]


def files_matching(directory: Path, *patterns: str) -> list[Path]:
    """The regular files at the top of a directory whose names match a pattern, in order; none where it cannot be read.

    Upper and lower case are the same.
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
    """The first bytes of a file; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def member_names(path: Path) -> list[str]:
    """The names in a zip archive; empty where the file is none that can be read."""
    if head(path, len(ZIP_MAGIC)) != ZIP_MAGIC:
        return []
    try:
        with ZipFile(path) as archive:
            return archive.namelist()
    except (BadZipFile, OSError, ValueError, NotImplementedError):
        return []
