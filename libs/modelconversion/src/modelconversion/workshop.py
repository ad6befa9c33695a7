"""Where programs are run: the toolchains there are, and the limits of each run."""

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
        """The Python of a toolchain, made first where it has to be."""
        ...


@dataclass(frozen=True)
class Workshop:
    """What it takes to run a program on a model."""

    toolchains: Toolchains
    limits: Limits
    on_line: Callable[[str], None]
    programs: Path = PROGRAMS
    trust: tuple[str, ...] = ()
    """What pickles may name beside the known classes and functions, as module:Name."""

    async def run(self, toolchain: str, program: str, request: Mapping[str, Any]) -> dict[str, str]:
        """Run a program in its toolchain; the versions it reports. Raises ConversionError."""
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
    """The part of every request that describes the model (see programs/program.py).

    Raises ConversionError: a file of the model is missing, or more than one could be it.
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
    """Refuse to write among other files. Raises ConversionError."""
    if any(directory.iterdir()):
        raise ConversionError(TOOLCHAIN_FAILED, f"{directory} is not empty: give a new directory")


def check_result(directory: Path, program: str) -> None:
    """Refuse a result without files, or with links that lead out of it. Raises ConversionError."""
    paths = sorted(directory.rglob("*"))
    if any(path.is_symlink() or not (path.is_file() or path.is_dir()) for path in paths):
        raise ConversionError(TOOLCHAIN_FAILED, f"{program} left something else than files behind")
    if not any(path.is_file() for path in paths):
        raise ConversionError(TOOLCHAIN_FAILED, f"{program} wrote no files")
