"""Keeps a log from growing without end whose writer cannot be asked to open another one."""

import os
import shutil
from pathlib import Path

LARGEST = 64 * 1024 * 1024


def truncate_if_large(path: Path, largest: int = LARGEST) -> bool:
    """Empty a log that is larger, and keep what it held beside it; whether that was done.

    The writer must append, and continues at the new end. Without space for the copy, the old lines are dropped.

    Args:
        path: the log; its predecessor is `<name>.1`.
        largest: bytes.
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
