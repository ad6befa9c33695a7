"""Starting a program in the sandbox, from the outside."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .policy import Policy, dump_policy

LAUNCHER = Path(__file__).with_name("__main__.py")


@dataclass(frozen=True)
class Start:
    """What to start instead of the program: the launcher, which becomes the program."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
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
    descriptor = os.memfd_create("klever-sandbox")
    try:
        os.write(descriptor, dump_policy(policy))
        command = (python, "-I", "-S", str(LAUNCHER), str(descriptor), str(os.getpid()))
        yield Start(command, launcher_environment, (descriptor,))
    finally:
        os.close(descriptor)
