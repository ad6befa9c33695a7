"""Preconditions of clients' requests for servings."""

from dataclasses import dataclass

from kleverproto.documents import Problem
from kleverproto.envelope import derive_id
from kleverproto.preconditions import ABSENT, unmet_precondition

from .servings import Known


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The headers `If-Match` and `Idempotency-Key`, and the query `dryRun`, of a request."""

    if_match: int | None = None
    """The generation that the client requires; None for any."""
    key: str | None = None
    """Requests with the same key are the same request, at every gateway; None: each request is a new one."""
    dry_run: bool = False
    """True if the request is only checked."""


def request_id(key: str, attempt: int = 0) -> str:
    """Return the id of the event of a request with a key, which JetStream drops if it is repeated."""
    return derive_id("request", key, str(attempt))


NO_CONDITIONS = Conditions()


def proven_unmet(name: str, known: Known, expected: int | None) -> Problem | None:
    """Return the reason why a precondition cannot be met, or None if only the owner can decide.

    The result is final although this gateway may not have read the newest document. Generations only grow, even over a
    deletion: one below the last known generation cannot return, and one above it may belong to a document that has not
    arrived here yet.
    """
    last = known.last.generation if known.last else ABSENT
    if expected is None or expected > last:
        return None
    return unmet_precondition(name, known.present.generation if known.present else ABSENT, expected)
