"""Runs a program of a toolchain as a subprocess, in the sandbox and within limits."""

import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import modelfiles
from kleverproto.codes import (
    INPUT_SHAPE_NEEDED,
    INVALID_MODEL,
    OUT_OF_MEMORY,
    TIMED_OUT,
    TOOLCHAIN_FAILED,
    UNSANDBOXED,
    UNSUPPORTED_OPERATOR,
)
from kleversandbox import policy as sandbox
from kleversandbox.__main__ import EXIT_NO_PROGRAM, EXIT_NO_SANDBOX
from kleversandbox.homes import remove_home
from kleversandbox.policy import Policy
from kleversandbox.starting import starting
from kleversandbox.system_paths import READABLE, SYSTEM, interpreter_paths, paths_in
from modelformats.threads import in_thread

from .errors import ConversionError, failed_tool
from .process_groups import End, run_group

PROGRAMS = Path(__file__).parent / "programs"
"""The programs of this package."""

READERS = Path(modelfiles.__file__).parent
"""The package with which programs read files.

Besides their own package, it is the only one of Klever that they can import.
"""

_CODES = (UNSUPPORTED_OPERATOR, INVALID_MODEL, INPUT_SHAPE_NEEDED)
_OUT_OF_MEMORY = ("MemoryError", "bad_alloc", "Cannot allocate memory", "OutOfMemoryError", "Failed to allocate")
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "JAVA_HOME", "LD_LIBRARY_PATH")
_READ = ("source", "samples")
_WRITTEN = ("destination", "results")
"""Fields of a request with paths that a program may write to. They exist before it starts."""
_REPORT_BYTES = 2**20


@dataclass(frozen=True)
class Limits:
    """Limits of one program."""

    cpu_seconds: int = 1800
    wall_seconds: float = 1200
    memory_bytes: int = 8 * 2**30
    """Of one process."""
    file_bytes: int = 16 * 2**30
    """Maximum size of each file that it writes."""
    processes: int = 512
    """Maximum number of processes and threads."""
    needs_sandbox: bool = True
    """True if a program is rejected if the system does not support a part of the sandbox."""


async def run_program(  # the program, its input, and its limits
    python: Path,
    program: str,
    request: Mapping[str, Any],
    *,
    limits: Limits,
    on_line: Callable[[str], None],
    programs: Path = PROGRAMS,
) -> dict[str, str]:
    """Run a program on a request (see programs/program.py; `report` is added here).

    Returns the versions that it reports. Raises ConversionError with the program's own code and message, or
    out_of_memory, timed_out, disk_full, toolchain_failed if it exits without a report. If the call is cancelled, the
    program is killed.
    """
    scratch, home, code = _places(programs)
    report = home / "report.json"
    text = json.dumps({**request, "report": str(report)}, default=str)
    command = (str(python), "-P", "-m", f"{programs.name}.{program}", text)
    policy = _policy(command, home, request, limits, (code, programs, READERS))
    try:
        with starting(policy, os.environ) as start:
            ended = await run_group(start, home, limits.wall_seconds, on_line)
        return _outcome(ended, _read_report(report))
    finally:
        await in_thread(remove_home, scratch)


def _places(programs: Path) -> tuple[Path, Path, Path]:
    """Return a new directory; in it, a home, and a directory from which programs and readers can be imported."""
    scratch = Path(mkdtemp(prefix="klever-conversion-"))
    home, code = scratch / "home", scratch / "code"
    home.mkdir()
    code.mkdir()
    for package in (programs.absolute(), READERS):
        (code / package.name).symlink_to(package)
    return scratch, home, code


def _policy(
    command: tuple[str, ...], home: Path, request: Mapping[str, Any], limits: Limits, code: tuple[Path, ...]
) -> Policy:
    """Return the policy: the program reads the model and writes the result.

    It can access no other files, and no network.
    """
    environment = _environment(home, code[0], limits)
    return Policy(
        command=command,
        environment=environment,
        directory=str(home),
        execute=(*SYSTEM, *interpreter_paths(Path(command[0])), *paths_in(environment)),
        read=(*READABLE, *map(str, code), *(str(request[name]) for name in _READ if name in request)),
        write=(str(home), *(str(request[name]) for name in _WRITTEN if name in request)),
        dies_with_parent=True,
        limits=sandbox.Limits(
            memory_bytes=limits.memory_bytes,
            cpu_seconds=limits.cpu_seconds,
            file_bytes=limits.file_bytes,
            processes=limits.processes,
        ),
        complete=limits.needs_sandbox,
    )


def _environment(home: Path, code: Path, limits: Limits) -> dict[str, str]:
    """Return an environment without secrets: some variables of this process, and settings that frameworks need."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": str(code),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "CUDA_VISIBLE_DEVICES": "",
        "JAVA_TOOL_OPTIONS": f"-Xmx{limits.memory_bytes // 2**21}m",
    }


def _read_report(path: Path) -> dict[str, Any] | None:
    """Return the program's report; None if there is no readable one. Code of a model may have written it."""
    try:
        with path.open("rb") as file:
            report = json.loads(file.read(_REPORT_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) else None


def _outcome(ended: End, report: dict[str, Any] | None) -> dict[str, str]:
    problem = None if report is None else report.get("problem")
    if ended.timed_out or -ended.status == signal.SIGXCPU:
        raise ConversionError(TIMED_OUT, "the conversion exceeded its time limit; ask for a higher limit")
    if isinstance(problem, dict):
        raise _reported(str(problem.get("code")), str(problem.get("message")))
    versions = None if report is None else report.get("versions")
    if ended.status == 0 and isinstance(versions, dict):
        return {str(name): str(value) for name, value in versions.items()}
    if ended.status in {EXIT_NO_SANDBOX, EXIT_NO_PROGRAM} and ended.last_lines[-1:]:
        code = UNSANDBOXED if ended.status == EXIT_NO_SANDBOX else TOOLCHAIN_FAILED
        raise ConversionError(code, ended.last_lines[-1].removeprefix("klever: "))
    raise _died(ended)


def _reported(code: str, message: str) -> ConversionError:
    if code == TOOLCHAIN_FAILED and any(sign in message for sign in _OUT_OF_MEMORY):
        return _out_of_memory()
    return ConversionError(code, message) if code in _CODES else failed_tool(message)


def _died(ended: End) -> ConversionError:
    """Return the error for a program that exited without a report."""
    # This module sends SIGKILL to a running program only after a timeout: otherwise it comes from the system, for
    # memory.
    if ended.status == -signal.SIGKILL or any(sign in line for line in ended.last_lines for sign in _OUT_OF_MEMORY):
        return _out_of_memory()
    how = (
        f"was terminated by {signal.Signals(-ended.status).name}" if ended.status < 0 else f"exited with {ended.status}"
    )
    last = ended.last_lines[-1] if ended.last_lines else "it has no output"
    return failed_tool(f"the converter {how} without a report; its last line: {last}")


def _out_of_memory() -> ConversionError:
    return ConversionError(OUT_OF_MEMORY, "the conversion exceeded its memory limit; ask for a higher limit")
