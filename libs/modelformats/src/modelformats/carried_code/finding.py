"""What a file would have its loader do."""

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
    """Untrusted is what a project may allow by its name; nobody needs what is dangerous."""


def untrusted(module: str, name: str, reason: str) -> Carried:
    """What a project may allow."""
    return Carried(f"{module}:{name}", reason, "untrusted")


def dangerous(module: str, name: str, reason: str) -> Carried:
    """What nobody needs."""
    return Carried(f"{module}:{name}", reason, "dangerous")
