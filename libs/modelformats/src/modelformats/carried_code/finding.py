"""Findings about code that a loader would run."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Carried:
    """An object that a loader would import, run or open."""

    what: str
    """The name under which it can be trusted, `module:name`."""
    reason: str
    """A sentence for people."""
    severity: Literal["untrusted", "dangerous"]
    """Projects can allow untrusted objects by name, but never dangerous ones."""


def untrusted(module: str, name: str, reason: str) -> Carried:
    """Return a finding that a project can allow."""
    return Carried(f"{module}:{name}", reason, "untrusted")


def dangerous(module: str, name: str, reason: str) -> Carried:
    """Return a finding that no project can allow."""
    return Carried(f"{module}:{name}", reason, "dangerous")
