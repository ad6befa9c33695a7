"""What the pickles of one stream would run, without running them: the parser of the model servers reads them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from modelfiles.unpickling.allowlist import Allowlist, Use
from modelfiles.unpickling.reading import BYTES_BEHIND, Report, examine
from modelfiles.unpickling.streams import UNPACKED_LIMIT, StrictStream

PICKLES_IN_A_FILE = 100
TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle of what PyTorch before 1.6 wrote."""
LEGACY_PICKLES = 5
"""How many there are, before the bytes of tensors: torch/serialization.py, _legacy_save."""
NOTHING_TRUSTED = Allowlist()
REFUSED = {Use.UNKNOWN, Use.DANGEROUS}
Opens = Callable[[], BinaryIO]
"""Opens a file, or a member of an archive, at its start."""


@dataclass(frozen=True)
class Reference:
    """What a pickle names, or why it cannot be read.

    Attributes:
        use: what the class or function may be used for; None for a problem.
        what: module and name; empty for a problem.
        problem: why the file is not understood.
    """

    use: Use | None
    what: tuple[str, str] = ("", "")
    problem: str = ""


def pickles_in(opens: Opens, *, promised: bool, size: int | None = None) -> Iterator[Reference]:
    """What the pickles name that stand one behind the other in a stream, and the problems of reading them.

    Args:
        opens: the stream, unpacked.
        promised: the file declares that it is a pickle. Otherwise other bytes are no finding.
        size: of the stream, if that is known: it may be larger than what compressed files may unpack to.
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
    """Whether the bytes were a pickle rather than text or numbers that look like the start of one."""
    return report.calls or report.is_limited or (report.problem is None and bool(report.named))


def _reports(stream: StrictStream) -> list[Report]:
    """Each pickle, up to one that cannot be read."""
    reports: list[Report] = []
    while len(reports) < PICKLES_IN_A_FILE:
        reports.append(examine(stream, NOTHING_TRUSTED))
        if reports[-1].problem is not None or _is_legacy(reports) or stream.is_at_end():
            break
    return reports


def _is_legacy(reports: list[Report]) -> bool:
    """Whether these are all the pickles of what PyTorch wrote; the bytes of tensors follow."""
    return reports[0].value == TORCH_MAGIC and len(reports) == LEGACY_PICKLES


def _problem(reports: list[Report]) -> str | None:
    if len(reports) == 1 or _is_legacy(reports):
        return reports[-1].problem
    return BYTES_BEHIND
