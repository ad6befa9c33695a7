"""Errors of full and read-only disks."""

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
    """Return the reason if an error concerns the whole disk; None for any other error."""
    return REASONS.get(error.errno or 0)


@contextmanager
def writing_to(directory: Path) -> Iterator[None]:
    """Convert errors of a full or read-only disk to NoSpaceError. Other errors are not changed."""
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
def remove_on_error(path: Path | str) -> Iterator[None]:
    """Remove a file if it was not written completely."""
    try:
        yield
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise
