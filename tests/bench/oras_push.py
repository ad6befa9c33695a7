"""Push a directory's files with oras-py, as a command to measure: `oras_push.py <reference> <directory>`."""

import os
import sys
from pathlib import Path

from oras.client import OrasClient


def main(reference: str, directory: Path) -> None:
    """Push one layer for each file."""
    os.chdir(directory)
    files = [str(path.relative_to(directory)) for path in sorted(directory.rglob("*")) if path.is_file()]
    OrasClient(insecure=True).push(target=reference, files=files, disable_path_validation=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve())
