"""What a format file offers, and small readings that several formats share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from kleverproto.signatures import Signature
from modelfiles.selection import FileSelectionError, Fixed, Rule, files_matching, head, only

from .errors import InvalidModelError

PROTOBUF_OUT_OF_MEMORY = "Arena alloc failed"
"""Protobuf reports it as an error in the message."""

__all__ = ["Format", "files_matching", "head", "model_file", "reading", "single_file", "the_only"]


class Format(Protocol):
    """One model format; each file under `formats` ends in an instance of it."""

    name: str
    """The name that ormbfile.yaml uses."""

    def detect(self, directory: Path) -> bool:
        """Whether the files look like this format, by content or by name. Never raises on strange files."""
        ...

    def validate(self, directory: Path) -> None:
        """Check which files are there. Raises InvalidModelError."""
        ...

    def extract(self, directory: Path) -> Signature:
        """Parse the files, statically. Raises InvalidModelError."""
        ...


def single_file(directory: Path, *patterns: str) -> Path:
    """The one file that matches. Raises InvalidModelError when there is none, or more than one."""
    return the_only(files_matching(directory, *patterns), " or ".join(patterns))


def the_only(candidates: Sequence[Path], wanted: str) -> Path:
    """The one candidate. Raises InvalidModelError when there is none, or more than one.

    Args:
        candidates: files or directories.
        wanted: what they are called in the message.
    """
    with _selecting():
        return only(candidates, wanted)


def model_file(rule: Rule | Fixed, directory: Path) -> Path:
    """The file that a rule chooses. Raises InvalidModelError when there is none, or more than one."""
    with _selecting():
        return rule.file(directory)


@contextmanager
def _selecting() -> Iterator[None]:
    try:
        yield
    except FileSelectionError as error:
        raise InvalidModelError(str(error)) from error


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a parser raises on bad bytes into InvalidModelError; running out of memory stays what it is."""
    try:
        yield
    except (InvalidModelError, MemoryError):
        raise
    except Exception as error:
        if PROTOBUF_OUT_OF_MEMORY in str(error):
            raise MemoryError(f"{path.name} is larger than this process may grow") from error
        # Third-party parsers raise anything on hostile bytes; for the caller each means the same.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidModelError(
            f"{path.name} is not a readable {what} ({reason}): it is damaged, truncated or of another format"
        ) from error
