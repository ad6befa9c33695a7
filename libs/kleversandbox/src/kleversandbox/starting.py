"""Starting a program in the sandbox, from the outside."""

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
    """What to start instead of the program: the launcher, which becomes the program."""

    command: tuple[str, ...]
    environment: dict[str, str]
    """Of the launcher. What the policy sets for the program must not reach it, for the launcher is not confined yet."""
    descriptors: tuple[int, ...]
    """Files that it inherits."""


@contextmanager
def starting(policy: Policy, launcher_environment: Mapping[str, str], python: str = sys.executable) -> Iterator[Start]:
    """Inside, start the program by what this gives.

    Args:
        policy: the program and what it may do.
        launcher_environment: of our own, with nothing that anybody else has chosen.
        python: runs the launcher.
    """
    with _unnamed_file() as file:
        file.write(dump_policy(policy))
        file.flush()
        command = (python, "-I", "-S", str(LAUNCHER), str(file.fileno()), str(os.getpid()))
        yield Start(command, dict(launcher_environment), (file.fileno(),))


def _unnamed_file() -> IO[bytes]:
    """In memory where the system can: a policy has the variables of the program, which may be secrets."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("policy"), "w+b")
    return TemporaryFile()
