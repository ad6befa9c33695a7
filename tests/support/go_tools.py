"""Go programs for tests, pinned below tools/go and built once into a cache directory."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MODULES = Path(__file__).parents[2] / "tools" / "go"


def go_tool(package: str, module: str = "", *, name: str = "") -> Path:
    """The program of a package. Skips the test if Go is not installed.

    Args:
        package: its path.
        module: the directory below tools/go whose go.mod pins it; programs that need different versions of the same
            library have separate modules.
        name: of the program; the last part of the package's path if none is given.
    """
    if shutil.which("go") is None:
        pytest.skip(f"Go is not installed here, so {package} cannot be built")
    program = _cache() / (name or package.rsplit("/", 1)[1])
    command = ["go", "build", "-C", str(MODULES / module), "-o", str(program), package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # Go rebuilds only what has changed
    assert done.returncode == 0, done.stderr
    return program


def _cache() -> Path:
    base = os.environ.get("KLEVER_CACHE") or Path.home() / ".cache" / "klever"
    cache = Path(base) / "go"
    cache.mkdir(parents=True, exist_ok=True)
    return cache
