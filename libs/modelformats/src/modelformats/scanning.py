"""Scans a model for code that would run on loading. Nothing is unpickled.

Every file, with any name, is read by the parser of the model servers (`modelfiles.unpickling`), and names in it are
looked up in their allowlist.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, cast

from kleverproto.scans import Finding, Scan, Severity
from modelfiles.unpickling.allowlist import SCRIPT, Use
from modelfiles.unpickling.reading import one_line

from .carried_code.files import code_of
from .carried_code.finding import Carried
from .errors import InvalidModelError
from .scanned_files import Item, scan_item
from .scanned_pickles import Reference

SCANNER = "klever"
VERSION = version("modelformats")
MOST_FINDINGS = 100
"""Maximum number of findings, the worst first; a hostile file may have a million names."""
MOST_UNTRUSTED = 100
"""Maximum number of unknown classes and functions; a file with more is not a model."""
WORST_FIRST: tuple[Severity, ...] = ("dangerous", "failed", "untrusted")


def scan_directory(directory: Path) -> Scan:
    """Scan all files, including subdirectories, archives and compressed files.

    Raises OSError if a file cannot be opened. A file that cannot be parsed is a finding.
    """
    findings: dict[Finding, None] = {}  # in order, without repetition
    untrusted: set[str] = set()
    for name, reference in _references(directory):
        findings[_finding(name, reference)] = None
        if reference.use is Use.UNKNOWN and reference.what[0] != SCRIPT:
            untrusted.add(":".join(reference.what))
    for finding in _carried(directory):
        findings[finding] = None
        if finding.severity == "untrusted":
            untrusted.add(finding.what)
    if len(untrusted) > MOST_UNTRUSTED:
        findings[_failed("", f"the model names more than {MOST_UNTRUSTED} unknown classes and functions")] = None
    worst = sorted(findings, key=lambda finding: WORST_FIRST.index(finding.severity))[:MOST_FINDINGS]
    return Scan(
        verdict=worst[0].severity if worst else "clean",
        findings=tuple(worst),
        untrusted=tuple(sorted(untrusted)[:MOST_UNTRUSTED]),
        scanner=SCANNER,
        scanner_version=VERSION,
    )


def _references(directory: Path) -> Iterator[tuple[str, Reference]]:
    for path in _files(directory):
        with path.open("rb"):
            opens = partial(_opened, path)
        yield from scan_item(Item(path.relative_to(directory).as_posix(), opens, path.stat().st_size))


def _carried(directory: Path) -> Iterator[Finding]:
    """Yield findings about code outside pickles."""
    for path in _files(directory):
        name = path.relative_to(directory).as_posix()
        try:
            for carried in code_of(path):
                yield Finding(file=name, what=carried.what, severity=carried.severity, reason=_sentence(carried))
        except InvalidModelError as error:
            yield _failed(name, one_line(error))


def _sentence(carried: Carried) -> str:
    trusted = f"; a project can trust it as {carried.what}" if carried.severity == "untrusted" else ""
    return f"{carried.reason}{trusted}"


def _files(directory: Path) -> Iterable[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _opened(path: Path) -> BinaryIO:
    return cast("BinaryIO", path.open("rb"))


def _finding(name: str, reference: Reference) -> Finding:
    if reference.use is None:
        return _failed(name, reference.problem)
    what = ".".join(reference.what)
    if reference.use is Use.DANGEROUS:
        reason = "loading the file can run commands, or read and write files, through it"
        return Finding(file=name, what=what, severity="dangerous", reason=reason)
    if reference.what[0] == SCRIPT:
        reason = (
            "it is defined in a script or notebook, which other processes cannot load: move it into a module and save "
            "again"
        )
        return Finding(file=name, what=what, severity="failed", reason=reason)
    reason = f"it is not a known class or function of models; a project can trust it as {':'.join(reference.what)}"
    return Finding(file=name, what=what, severity="untrusted", reason=reason)


def _failed(name: str, problem: str) -> Finding:
    return Finding(file=name, what="", severity="failed", reason=f"the file could not be read to its end: {problem}")
