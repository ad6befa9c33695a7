"""The home of a program: private, empty at its start, and removed after its exit."""

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path


def make_home(path: Path) -> None:
    """Create the directory, and remove an existing one. Raises OSError."""
    remove_home(path)
    path.mkdir(mode=0o700, parents=True)


def remove_home(path: Path) -> None:
    """Remove the directory with its content, of any depth and with any modes. Does nothing if it does not exist."""
    with suppress(RecursionError):  # a program may nest directories to any depth
        shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        subprocess.run(("chmod", "-R", "u+rwX", str(path)), check=False, stderr=subprocess.DEVNULL)
        subprocess.run(("rm", "-rf", "--", str(path)), check=False, stderr=subprocess.DEVNULL)
