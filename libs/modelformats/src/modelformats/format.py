"""What a format file offers, and small readings that several formats share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from kleverproto.signatures import Signature

from .errors import InvalidModelError

PROTOBUF_OUT_OF_MEMORY = "Arena alloc failed"
"""Protobuf reports it as an error in the message."""


SNIFF = 4096
"""Bytes from a file's start that tell its format."""


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


def files_matching(directory: Path, *patterns: str) -> list[Path]:
    """The regular files at the top of the directory that match a pattern, in order."""
    found = {path for pattern in patterns for path in directory.glob(pattern) if path.is_file()}
    return sorted(found)


def single_file(directory: Path, *patterns: str) -> Path:
    """The one file that matches. Raises InvalidModelError when there is none, or more than one."""
    return the_only(files_matching(directory, *patterns), " or ".join(patterns))


def the_only(candidates: Sequence[Path], wanted: str) -> Path:
    """The one candidate. Raises InvalidModelError when there is none, or more than one.

    Args:
        candidates: files or directories.
        wanted: what they are called in the message.
    """
    if not candidates:
        raise InvalidModelError(f"there is no {wanted}")
    if len(candidates) > 1:
        names = ", ".join(path.name for path in candidates[:5])
        raise InvalidModelError(f"expected one {wanted}, found {len(candidates)}: {names}")
    return candidates[0]


def model_file(directory: Path, patterns: tuple[str, ...], looks_like: Callable[[bytes], bool]) -> Path:
    """The one file of a usual name or, when there is none, the one that begins like the format.

    Raises InvalidModelError when there is none, or more than one.
    """
    return the_only(_candidates(directory, patterns, looks_like), " or ".join(patterns))


def has_model_file(directory: Path, patterns: tuple[str, ...], looks_like: Callable[[bytes], bool]) -> bool:
    """Whether `model_file` would have one to give."""
    return len(_candidates(directory, patterns, looks_like)) == 1


def _candidates(directory: Path, patterns: tuple[str, ...], looks_like: Callable[[bytes], bool]) -> list[Path]:
    named = files_matching(directory, *patterns)
    return named or [path for path in files_matching(directory, "*") if looks_like(head(path, SNIFF))]


def head(path: Path, size: int) -> bytes:
    """The first bytes of a file; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


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
