"""Results of scans of models for pickles."""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import StringConstraints

from .base import WireModel

Verdict = Literal["clean", "untrusted", "dangerous", "failed"]
Severity = Literal["untrusted", "failed", "dangerous"]
TRUST_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"
TrustedName = Annotated[str, StringConstraints(pattern=TRUST_PATTERN, max_length=300)]
"""A class or function of a module, such as my.module:MyTransformer."""


class Finding(WireModel):
    """One piece of code in a file that loading the model would run, or a file that could not be read."""

    file: str
    """Path inside the model's directory; `!` separates an archive from the path inside it."""
    what: str
    """The class or function as module.name; empty if the file could not be read."""
    severity: Severity
    reason: str


class Scan(WireModel):
    """The result of scanning all files of a model for pickles, regardless of their names."""

    verdict: Verdict
    """The worst finding: dangerous, then failed, then untrusted; clean without any."""
    findings: tuple[Finding, ...] = ()
    """Findings, the worst first, at most a hundred."""
    untrusted: tuple[str, ...] = ()
    """All classes and functions that are neither known nor dangerous, as module:Name. A project can trust them."""
    scanner: str
    scanner_version: str


def is_blocked(verdict: Verdict, untrusted: Collection[str], trusted: Collection[str]) -> bool:
    """Return whether a project that blocks unsafe models blocks this one: it permits clean models and trusted names.

    Args:
        verdict: the verdict of the scan.
        untrusted: the untrusted names in the scan.
        trusted: the names that the project trusts.
    """
    if verdict == "untrusted":
        return not untrusted or not set(untrusted) <= set(trusted)
    return verdict != "clean"
