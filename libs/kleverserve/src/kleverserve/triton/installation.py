"""Finds Triton in the `nvidia-pytriton` wheel, and the libraries that its python backend needs."""

import os
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from ctypes import CDLL
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from kleverserve.errors import ModelLoadError

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LIBPYTHON = f"libpython{PYTHON}.so.1.0"


@dataclass(frozen=True)
class Installation:
    """The paths of Triton's parts."""

    server: Path
    backend: Path
    """Directory of the python backend, without its stub."""
    stub: Path
    """The program that runs a model; it is built for one version of Python."""
    libraries: tuple[Path, ...]
    """Directories of shared libraries that the server and the stub need."""


def find_installation() -> Installation:
    """Find Triton in this environment.

    Raises:
        ModelLoadError: a part is missing; the message says what to install.
    """
    package = find_spec("pytriton")
    if package is None or package.origin is None:
        raise ModelLoadError("Triton is not installed here: run it with the Python of the toolchain 'triton'")
    root = Path(package.origin).parent / "tritonserver"
    libpython = libpython_folders(_own_libraries(), is_known=_can_be_loaded)
    installation = Installation(
        server=root / "bin" / "tritonserver",
        backend=root / "backends" / "python",
        stub=root / "python_backend_stubs" / PYTHON / "triton_python_backend_stub",
        libraries=(
            *libpython,
            root.parents[1] / "nvidia_pytriton.libs",
        ),
    )
    missing = [path for path in (installation.server, installation.backend, installation.stub) if not path.exists()]
    if missing:
        raise ModelLoadError(f"this Triton cannot run models under Python {PYTHON}: {missing[0]} is missing")
    return installation


def child_environment(installation: Installation, given: Mapping[str, str], *, threads: int) -> dict[str, str]:
    """Return the environment variables for Triton and its model processes.

    The stub embeds the Python whose `python3` is first in PATH, and thereby finds the packages of this environment.
    """
    libraries = [*map(str, installation.libraries), *filter(None, [given.get("LD_LIBRARY_PATH")])]
    return {
        **given,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), *filter(None, [given.get("PATH")])]),
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        "OMP_NUM_THREADS": str(threads),
    }


def libpython_folders(candidates: Sequence[Path], *, is_known: Callable[[str], bool]) -> tuple[Path, ...]:
    """Return the first directory with the shared library of this Python version; empty if the system knows one.

    The library of this Python takes precedence over the system's, whose patch release may differ.

    Raises:
        ModelLoadError: there is none.
    """
    for folder in candidates:
        if (folder / LIBPYTHON).is_file():
            return (folder,)
    if not is_known(LIBPYTHON):
        raise ModelLoadError(
            f"Triton's python backend needs {LIBPYTHON}, which is neither in {candidates[0]} nor known to the system: "
            f"install it (Debian: apt install libpython{PYTHON}), or use a Python that was built with a shared library"
        )
    return ()


def _own_libraries() -> list[Path]:
    return [Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib"), Path(sys.base_prefix) / "lib"]


def _can_be_loaded(library: str) -> bool:
    try:
        CDLL(library)
    except OSError:
        return False
    return True
