"""Disks that take no more: which errors say so, and what to tell people."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import NoSpaceError

REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
}


def refusal(error: OSError) -> str | None:
    """Why nothing can be written, where the error is about the disk as a whole; None for any other error."""
    return REASONS.get(error.errno or 0)


@contextmanager
def writing_to(directory: Path) -> Iterator[None]:
    """Turn a disk that takes no more into NoSpaceError; other errors pass."""
    try:
        yield
    except OSError as error:
        reason = refusal(error)
        if reason is None:
            raise
        raise NoSpaceError(
            f"{directory} takes no more: {reason}. Free some space (`ormb prune` removes what no model in the local "
            "store needs), then run the same command again; nothing that was stored before is lost"
        ) from error


@contextmanager
def gone_unless_whole(path: Path | str) -> Iterator[None]:
    """Remove a file that could not be written to its end."""
    try:
        yield
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise
