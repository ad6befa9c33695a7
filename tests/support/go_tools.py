"""Go programs for tests, pinned below tools/go and built once into a cache directory."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

MODULES = Path(__file__).parents[2] / "tools" / "go"


def go_tool(package: str, module: str = "", *, name: str = "", flags: tuple[str, ...] = ()) -> Path:
    """The program of a package. Skips the test if Go is not installed; the arguments are those of `built`."""
    if shutil.which("go") is None:
        pytest.skip(f"Go is not installed here, so {package} cannot be built")
    return built(package, module, name=name, flags=flags)


def built(package: str, module: str = "", *, name: str = "", flags: tuple[str, ...] = ()) -> Path:
    """Builds a program and returns its path.

    Args:
        package: its path.
        module: the directory below tools/go whose go.mod pins it; programs that need different versions of the same
            library have separate modules.
        name: of the program; the last part of the package's path if none is given.
        flags: flags of `go build`.
    """
    program = name or package.rsplit("/", 1)[1]
    _build({program: package}, module, flags)
    return cache() / program


def build_all(packages: Sequence[str], module: str, *, flags: tuple[str, ...]) -> None:
    """Builds several programs of one module into the cache. The arguments are those of `built`."""
    _build({package.rsplit("/", 1)[1]: package for package in packages}, module, flags)


def _build(packages: Mapping[str, str], module: str, flags: tuple[str, ...]) -> None:
    """Builds programs, by their names, unless they were built from the same module with the same flags.

    Go knows as well what is up to date, but needs seconds for a large program.
    """
    inputs = _digest_of_inputs(module, flags)
    stamps = {cache() / f".{name}.built": f"{package} {inputs}" for name, package in packages.items()}
    programs = [cache() / name for name in packages]
    if all(path.exists() for path in (*programs, *stamps)) and all(
        stamp.read_text() == content for stamp, content in stamps.items()
    ):
        return
    for stamp in stamps:
        stamp.unlink(missing_ok=True)
    target = programs[0] if len(programs) == 1 else cache()
    command = ["go", "build", "-C", str(MODULES / module), *flags, "-o", str(target), *packages.values()]
    environment = os.environ | {"CGO_ENABLED": "0"} if flags else None  # static, so that it runs in any image
    completed = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert completed.returncode == 0, completed.stderr
    for stamp, content in stamps.items():
        stamp.write_text(content)


def _digest_of_inputs(module: str, flags: tuple[str, ...]) -> str:
    version = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout
    digest = hashlib.sha256(repr((version, flags)).encode())
    for file in sorted((MODULES / module).iterdir()):
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


@functools.cache
def module_directory(path: str, module: str) -> Path:
    """The sources of a Go module in the module cache, which are downloaded if necessary. Skips where there is no Go.

    Args:
        path: path of the module.
        module: the directory below tools/go whose go.mod pins it.
    """
    if shutil.which("go") is None:
        pytest.skip(f"Go is not installed here, so the sources of {path} are not available")
    command = ["go", "mod", "download", "-C", str(MODULES / module), "-json", path]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr or completed.stdout
    return Path(json.loads(completed.stdout)["Dir"])


def cache() -> Path:
    """The directory of programs that were built."""
    base = os.environ.get("KLEVER_CACHE") or Path.home() / ".cache" / "klever"
    directory = Path(base) / "go"
    directory.mkdir(parents=True, exist_ok=True)
    return directory
