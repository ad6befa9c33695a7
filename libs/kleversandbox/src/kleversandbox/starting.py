"""Starts a program in the sandbox."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from .policy import Policy, dump_policy

LAUNCHER = Path(__file__).with_name("__main__.py")


@dataclass(frozen=True)
class Start:
    """The launcher to start instead of the program. The launcher then executes the program."""

    command: tuple[str, ...]
    environment: dict[str, str]
    """Environment of the launcher.

    It must not contain the policy's variables, since the launcher is not confined yet.
    """
    descriptors: tuple[int, ...]
    """Files that the launcher inherits."""


@contextmanager
def starting(policy: Policy, launcher_environment: Mapping[str, str], python: str = sys.executable) -> Iterator[Start]:
    """Yield the start of the program, valid during the block.

    Args:
        policy: the program with its rights.
        launcher_environment: of this process, without variables that anybody else has chosen.
        python: runs the launcher.
    """
    with _unnamed_file() as file:
        file.write(dump_policy(policy))
        file.flush()
        command = (python, "-I", "-S", str(LAUNCHER), str(file.fileno()), str(os.getpid()))
        yield Start(command, dict(launcher_environment), (file.fileno(),))


def _unnamed_file() -> IO[bytes]:
    """Return a file in memory if possible: the policy contains variables of the program, which may be secrets."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("policy"), "w+b")
    return TemporaryFile()
