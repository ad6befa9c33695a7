"""What a file would make its loader do."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Carried:
    """One thing that a loader would import, run or open."""

    what: str
    """As it is trusted, `module:name`."""
    reason: str
    """A sentence for people."""
    severity: Literal["untrusted", "dangerous"]
    """Projects may allow what is untrusted, by its name, and never what is dangerous."""


def untrusted(module: str, name: str, reason: str) -> Carried:
    """What a project may allow."""
    return Carried(f"{module}:{name}", reason, "untrusted")


def dangerous(module: str, name: str, reason: str) -> Carried:
    """What no project may allow."""
    return Carried(f"{module}:{name}", reason, "dangerous")
