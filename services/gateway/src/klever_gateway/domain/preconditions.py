"""What a client requires of a serving before its request is accepted."""

from dataclasses import dataclass

from kleverproto.documents import Problem
from kleverproto.preconditions import ABSENT, unmet_precondition

from .servings import Known


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The headers `If-Match` and `Idempotency-Key` of a request."""

    if_match: int | None = None
    """The generation that the client has seen; None for any."""
    key: str | None = None
    """The same key again is the same request, at whichever gateway; None: every request is a new one."""


NO_CONDITIONS = Conditions()


def proven_unmet(name: str, known: Known, expected: int | None) -> Problem | None:
    """Why a precondition cannot hold, whatever this gateway has not read yet; None if only the owner can say.

    Generations only grow, also over a deletion: one below the last known generation cannot come back, and one above it
    is that of a document that has not arrived here yet.
    """
    last = known.last.generation if known.last else ABSENT
    if expected is None or expected > last:
        return None
    return unmet_precondition(name, known.present.generation if known.present else ABSENT, expected)
