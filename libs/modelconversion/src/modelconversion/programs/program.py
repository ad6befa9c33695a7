"""Shared by all programs: the request, the report, and the report of a failure.

A program gets one argument, a JSON object (`Request`), and writes a JSON object at `report`: `{"versions": {...}}` if
it succeeded, else `{"problem": {"code", "message"}}` with exit code 1. Its output is progress for the user. Only the
standard library is imported, since this module runs in the environment of any toolchain.
"""

import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

UNSUPPORTED_OPERATOR = "unsupported_operator"
INVALID_MODEL = "invalid_model"
INPUT_SHAPE_NEEDED = "input_shape_needed"
TOOLCHAIN_FAILED = "toolchain_failed"


@dataclass(frozen=True)
class Input:
    """An input or output of the model in its signature; null if the files do not contain it."""

    name: str
    dtype: str | None = None
    """numpy name."""
    shape: tuple[int | str, ...] | None = None
    """-1 is any size, a string a symbolic one."""


@dataclass(frozen=True)
class Request:
    """The request to a program."""

    source: Path
    """Directory with the files of the model; read-only."""
    destination: Path
    """An existing, empty directory for the files of the result. Unused by programs that run a model."""
    report: Path
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Input, ...] = ()
    """Empty if the signature does not contain them."""
    options: dict[str, Any] = field(default_factory=dict)
    trust: tuple[str, ...] = ()
    """Classes and functions that pickles may load besides the known ones, as module:Name."""
    samples: Path | None = None
    """Programs that run a model: the inputs, .npz files by input name; see `samples.first_that_runs`."""
    results: Path | None = None
    """Programs that run a model: where to write the outputs, an .npz file by output name, in the model's order."""
    format: str = ""
    """Format of the source."""
    files: tuple[Path, ...] = ()
    """The model's files in the source, in the order of its parser (see `modelformats.model_files`)."""

    @property
    def file(self) -> Path:
        """The model's only file."""
        (file,) = self.files
        return file

    def sample_files(self) -> tuple[Path, Path]:
        """Return the paths of the inputs and of the outputs of a run."""
        if self.samples is None or self.results is None:
            raise ProblemError(TOOLCHAIN_FAILED, "this program runs a model: the request needs samples and results")
        return self.samples, self.results


class ProblemError(Exception):
    """The program cannot convert the model; the message contains the reason and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse_request(text: str) -> Request:
    """Parse the program's argument. Raises ValueError, KeyError or TypeError if it is not a request."""
    fields = json.loads(text)
    return Request(
        source=Path(fields["source"]),
        destination=Path(fields["destination"]),
        report=Path(fields["report"]),
        inputs=tuple(map(_tensor, fields.get("inputs", ()))),
        outputs=tuple(map(_tensor, fields.get("outputs", ()))),
        options=dict(fields.get("options", {})),
        trust=tuple(fields.get("trust", ())),
        samples=Path(fields["samples"]) if fields.get("samples") else None,
        results=Path(fields["results"]) if fields.get("results") else None,
        format=fields.get("format", ""),
        files=tuple(map(Path, fields.get("files", ()))),
    )


def _tensor(entry: dict[str, Any]) -> Input:
    shape = entry.get("shape")
    return Input(entry["name"], entry.get("dtype"), None if shape is None else tuple(shape))


def versions(*packages: str) -> dict[str, str]:
    """Return the installed version of each package; missing packages are omitted."""
    installed = {}
    for package in packages:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed


def print_progress(line: str) -> None:
    """Print a line of progress for the user, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(convert: Callable[[Request], dict[str, str]]) -> None:
    """Run the program on the request of its command line; `convert` returns the versions of the tools that it used."""
    request = parse_request(sys.argv[1])
    try:
        report: dict[str, Any] = {"versions": convert(request)}
    except ProblemError as problem:
        report = {"problem": {"code": problem.code, "message": str(problem)}}
    except MemoryError:
        raise  # the cause may be the limit of this process; the process that set the limit reports it
    except Exception as error:  # noqa: BLE001  # frameworks raise anything; the reader of the report needs the reason
        traceback.print_exc()
        lines = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        report = {"problem": {"code": TOOLCHAIN_FAILED, "message": f"the converter failed ({reason})"}}
    request.report.write_text(json.dumps(report))
    if "problem" in report:
        sys.exit(1)
