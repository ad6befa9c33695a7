"""The interface of a format, and functions that several formats share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from kleverproto.signatures import Signature
from modelfiles.selection import FileSelectionError, Fixed, Rule, files_matching, head, only

from .errors import InvalidModelError

PROTOBUF_OUT_OF_MEMORY = "Arena alloc failed"
"""Protobuf reports it as an error with this message."""

__all__ = ["Format", "files_matching", "head", "model_file", "only_candidate", "reading", "single_file"]


class Format(Protocol):
    """A model format. Each module in `formats` ends with an instance."""

    name: str
    """The name in ormbfile.yaml."""

    def detect(self, directory: Path) -> bool:
        """Return whether the files look like this format, by content or by name.

        Never raises errors on invalid files.
        """
        ...

    def validate(self, directory: Path) -> None:
        """Check that the files exist. Raises InvalidModelError."""
        ...

    def extract(self, directory: Path) -> Signature:
        """Parse the files, without running them. Raises InvalidModelError."""
        ...


def single_file(directory: Path, *patterns: str) -> Path:
    """Return the only file that matches. Raises InvalidModelError if there is none, or more than one."""
    return only_candidate(files_matching(directory, *patterns), " or ".join(patterns))


def only_candidate(candidates: Sequence[Path], wanted: str) -> Path:
    """Return the only candidate. Raises InvalidModelError if there is none, or more than one.

    Args:
        candidates: files or directories.
        wanted: their description in the message.
    """
    with _selecting():
        return only(candidates, wanted)


def model_file(rule: Rule | Fixed, directory: Path) -> Path:
    """Return the file that a rule selects. Raises InvalidModelError if there is none, or more than one."""
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
    """Convert any error of a parser on invalid bytes to InvalidModelError; errors of memory are not changed."""
    try:
        yield
    except (InvalidModelError, MemoryError):
        raise
    except Exception as error:
        if PROTOBUF_OUT_OF_MEMORY in str(error):
            raise MemoryError(f"{path.name} needs more memory than this process may use") from error
        # Third-party parsers raise any exception on hostile bytes; all of them mean the same to the caller.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidModelError(
            f"{path.name} is not a readable {what} ({reason}): it is damaged, truncated or of another format"
        ) from error
