"""Runs programs in their toolchains, with limits."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kleverproto.codes import INVALID_MODEL, TOOLCHAIN_FAILED
from kleverproto.signatures import Signature, Tensor
from modelformats.errors import InvalidModelError
from modelformats.model_files import model_files

from .errors import ConversionError
from .execution import PROGRAMS, Limits, run_program


class Toolchains(Protocol):
    """Environments by name; see `toolchains.ToolchainStore`."""

    async def ensure(self, name: str, on_line: Callable[[str], None]) -> Path:
        """Return the Python of a toolchain, which is installed if necessary."""
        ...


@dataclass(frozen=True)
class Workshop:
    """The toolchains and limits for running programs."""

    toolchains: Toolchains
    limits: Limits
    on_line: Callable[[str], None]
    programs: Path = PROGRAMS
    trust: tuple[str, ...] = ()
    """Classes and functions that pickles may load besides the known ones, as module:Name."""

    async def run(self, toolchain: str, program: str, request: Mapping[str, Any]) -> dict[str, str]:
        """Run a program in its toolchain. Returns the versions that it reports. Raises ConversionError."""
        python = await self.toolchains.ensure(toolchain, self.on_line)
        return await run_program(
            python,
            program,
            {**request, "trust": self.trust},
            limits=self.limits,
            on_line=self.on_line,
            programs=self.programs,
        )


def request_for(
    source: Path,
    format_name: str,
    signature: Signature,
    options: Mapping[str, str],
    destination: Path = Path(os.devnull),
) -> dict[str, Any]:
    """Return the part of all requests that describes the model (see programs/program.py).

    Raises ConversionError: a file of the model is missing, or several files match.
    """
    try:
        files = model_files(format_name, source.absolute())
    except InvalidModelError as error:
        raise ConversionError(INVALID_MODEL, str(error)) from error
    return {
        "source": str(source.absolute()),
        "format": format_name,
        "files": list(map(str, files)),
        "destination": str(destination.absolute()),
        "inputs": [_described(tensor) for tensor in signature.inputs],
        "outputs": [_described(tensor) for tensor in signature.outputs],
        "options": dict(options),
    }


def _described(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "dtype": tensor.dtype, "shape": tensor.shape}


def check_empty(directory: Path) -> None:
    """Check that a directory is empty, so that no other files are overwritten. Raises ConversionError."""
    if any(directory.iterdir()):
        raise ConversionError(TOOLCHAIN_FAILED, f"{directory} is not empty: choose a new directory")


def check_result(directory: Path, program: str) -> None:
    """Check that a result has files, and no links that point outside. Raises ConversionError."""
    paths = sorted(directory.rglob("*"))
    if any(path.is_symlink() or not (path.is_file() or path.is_dir()) for path in paths):
        raise ConversionError(TOOLCHAIN_FAILED, f"{program} wrote entries that are not regular files")
    if not any(path.is_file() for path in paths):
        raise ConversionError(TOOLCHAIN_FAILED, f"{program} wrote no files")
