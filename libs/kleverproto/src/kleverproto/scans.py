"""The result of scanning a model's pickles."""

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
    """One thing in one file that loading the model would run, or that could not be read."""

    file: str
    """Path inside the model's directory; `!` leads into an archive."""
    what: str
    """The class or function as module.name; empty when the file could not be read."""
    severity: Severity
    reason: str


class Scan(WireModel):
    """The result of scanning every file of a model for pickles, whatever it is called."""

    verdict: Verdict
    """The worst finding: dangerous, then failed, then untrusted; clean without any."""
    findings: tuple[Finding, ...] = ()
    """The worst first; a hundred at most."""
    untrusted: tuple[str, ...] = ()
    """All classes and functions that are neither known nor dangerous, as module:Name: what a project would trust."""
    scanner: str
    scanner_version: str


def is_blocked(verdict: Verdict, untrusted: Collection[str], trusted: Collection[str]) -> bool:
    """Whether a project that blocks does so: all but what is clean, or clean once what it trusts is known.

    Args:
        verdict: of a scan.
        untrusted: what that scan names beside it.
        trusted: what the project trusts.
    """
    if verdict == "untrusted":
        return not untrusted or not set(untrusted) <= set(trusted)
    return verdict != "clean"
