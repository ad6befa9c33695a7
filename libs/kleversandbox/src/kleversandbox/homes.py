"""The home of a program: private, empty when it starts, removed when it has ended."""

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path


def make_home(path: Path) -> None:
    """Make the directory anew. Raises OSError."""
    remove_home(path)
    path.mkdir(mode=0o700, parents=True)


def remove_home(path: Path) -> None:
    """Remove the directory with everything in it, however deep and whatever its modes; nothing where there is none."""
    with suppress(RecursionError):  # a program nests directories as deep as it likes
        shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        subprocess.run(("chmod", "-R", "u+rwX", str(path)), check=False, stderr=subprocess.DEVNULL)
        subprocess.run(("rm", "-rf", "--", str(path)), check=False, stderr=subprocess.DEVNULL)
