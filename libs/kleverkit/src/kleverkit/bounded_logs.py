"""Limits the size of a log whose writer cannot reopen it."""

import os
import shutil
from pathlib import Path

LARGEST = 64 * 1024 * 1024


def truncate_if_large(path: Path, largest: int = LARGEST) -> bool:
    """Truncate a log that is too large, after a copy to `<name>.1`. Return whether it was truncated.

    The writer must use append mode, and continues at the new end. If the disk has no space for the copy, the old lines
    are dropped.

    Args:
        path: the log.
        largest: the limit in bytes.
    """
    try:
        if path.stat().st_size <= largest:
            return False
    except OSError:
        return False
    previous = path.with_name(f"{path.name}.1")
    try:
        shutil.copyfile(path, previous)
    except OSError:
        previous.unlink(missing_ok=True)
    os.truncate(path, 0)
    return True
