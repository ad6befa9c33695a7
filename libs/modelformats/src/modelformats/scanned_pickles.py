"""Determines what the pickles of a stream would run, without running them, with the parser of the model servers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from modelfiles.unpickling.allowlist import Allowlist, Use
from modelfiles.unpickling.reading import TRAILING_BYTES, Report, examine
from modelfiles.unpickling.streams import UNPACKED_LIMIT, StrictStream

PICKLES_IN_A_FILE = 100
TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle of files written by PyTorch before 1.6."""
LEGACY_PICKLES = 5
"""Number of pickles before the bytes of tensors: torch/serialization.py, _legacy_save."""
NOTHING_TRUSTED = Allowlist()
REFUSED = {Use.UNKNOWN, Use.DANGEROUS}
Opens = Callable[[], BinaryIO]
"""Opens a file, or a member of an archive, at its start."""


@dataclass(frozen=True)
class Reference:
    """A name in a pickle, or the reason why it cannot be parsed.

    Attributes:
        use: the allowed use of the class or function; None for a problem.
        what: module and name; empty for a problem.
        problem: the reason why the file cannot be parsed.
    """

    use: Use | None
    what: tuple[str, str] = ("", "")
    problem: str = ""


def pickles_in(opens: Opens, *, promised: bool, size: int | None = None) -> Iterator[Reference]:
    """Yield the names in consecutive pickles of a stream, and errors of reading them.

    Args:
        opens: the decompressed stream.
        promised: the file has the name of a pickle. Otherwise, other bytes are not a finding.
        size: of the stream, if known: it may exceed the limit for compressed files.
    """
    with opens() as opened:
        reports = _reports(StrictStream(opened, max(size or 0, UNPACKED_LIMIT)))
    if not promised and not any(counts(report) for report in reports):
        return
    named = {pair: use for report in reports for pair, use in report.named.items() if use in REFUSED}
    yield from (Reference(use, pair) for pair, use in sorted(named.items()))
    if (problem := _problem(reports)) is not None:
        yield Reference(None, problem=problem)


def counts(report: Report) -> bool:
    """Return whether the bytes were a pickle, and not text or numbers that look like the start of one."""
    return report.calls or report.is_limited or (report.problem is None and bool(report.named))


def _reports(stream: StrictStream) -> list[Report]:
    """Report on each pickle, up to one that cannot be parsed."""
    reports: list[Report] = []
    while len(reports) < PICKLES_IN_A_FILE:
        reports.append(examine(stream, NOTHING_TRUSTED))
        if reports[-1].problem is not None or _is_legacy(reports) or stream.is_at_end():
            break
    return reports


def _is_legacy(reports: list[Report]) -> bool:
    """Return whether these are all pickles of a file of PyTorch; the bytes of tensors follow."""
    return reports[0].value == TORCH_MAGIC and len(reports) == LEGACY_PICKLES


def _problem(reports: list[Report]) -> str | None:
    if len(reports) == 1 or _is_legacy(reports):
        return reports[-1].problem
    return TRAILING_BYTES
