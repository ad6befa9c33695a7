"""What a scan of a model's pickles found."""

from typing import Literal

from .base import WireModel

Verdict = Literal["clean", "suspicious", "dangerous", "failed"]
Severity = Literal["suspicious", "failed", "dangerous"]

BLOCKED: frozenset[Verdict] = frozenset({"dangerous", "failed"})
"""Verdicts that a project may block: what could not be read may hold anything."""


class Finding(WireModel):
    """One thing in one file that loading the model would run, or that could not be read."""

    file: str
    """Path inside the model's directory; `!` leads into an archive."""
    what: str
    """The class or function as module.name; empty when the file could not be read."""
    severity: Severity
    reason: str


class Scan(WireModel):
    """The result of scanning every file of a model that may hold a pickle."""

    verdict: Verdict
    """The worst finding: dangerous, then failed, then suspicious; clean without any."""
    findings: tuple[Finding, ...] = ()
    """The worst first; a hundred at most."""
    scanner: str
    scanner_version: str
