"""How a document is deleted: pure steps, the same for every kind of document.

1. A request for the deletion, ordered by its place in the stream, makes the document one that is being deleted, where
   its owner has to stop something first, or puts a tombstone in its place. A late request changes nothing.
2. The event of the deletion is published. Until then the tombstone is unannounced, and nothing takes its place.
3. The tombstone is announced. It refuses requests from before the deletion.
4. Once no such request can come any more, the tombstone is removed.

`kleverkit.deletions` does what these steps say; a crash between any two of them is repaired there.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias, TypeVar

from .base import WireModel
from .documents import Intent, Tombstone, is_late

TOMBSTONE_AGE = timedelta(hours=1)
"""How long an announced tombstone stays. Owners whose requests can be later than that have further proof."""


DocumentT = TypeVar("DocumentT", bound=WireModel)
Known: TypeAlias = DocumentT | Tombstone[DocumentT] | None
"""What is stored under a key."""


class _Status(Protocol):
    @property
    def intent(self) -> Intent | None: ...


class Ordered(Protocol):
    """A document whose requests are ordered by their places in a stream."""

    @property
    def status(self) -> _Status:
        """Its newest request, among others."""
        ...


def newest_intent(known: Ordered | Tombstone[Any] | None) -> Intent | None:
    """The newest request that a document or tombstone comes from."""
    if known is None or isinstance(known, Tombstone):
        return known.intent if known else None
    return known.status.intent


def last_document(known: Known[DocumentT]) -> DocumentT | None:
    """The document as it is, or as it was before its deletion."""
    return known.document if isinstance(known, Tombstone) else known


def deletion_requested(
    known: Known[DocumentT],
    newest: Intent | None,
    intent: Intent,
    now: datetime,
    *,
    begin: Callable[[DocumentT], DocumentT | Tombstone[DocumentT]],
) -> DocumentT | Tombstone[DocumentT] | None:
    """What a request for a deletion makes of what is stored; None where it is late.

    The tombstone of what was never there keeps a request from taking effect that was made before the deletion and
    is handled after it.

    Args:
        known: what is stored.
        newest: the newest request that it comes from.
        intent: the request.
        now: the present.
        begin: the document while its owner stops what it stands for, or its tombstone where there is nothing to stop.
    """
    if is_late(newest, intent):
        return None
    if known is None or isinstance(known, Tombstone):
        return Tombstone[Any](document=last_document(known), intent=intent, deleted_at=now)
    return begin(known)


def announced(known: Known[DocumentT], tombstone: Tombstone[DocumentT]) -> Tombstone[DocumentT] | None:
    """The tombstone once its deletion is announced; None where it is already, or where something else is stored."""
    if not isinstance(known, Tombstone) or known.announced or not _are_same(known, tombstone):
        return None
    return known.replace(announced=True)


def is_expired(tombstone: Tombstone[Any], now: datetime) -> bool:
    """Whether a tombstone can be removed."""
    return tombstone.announced and tombstone.deleted_at < now - TOMBSTONE_AGE


def _are_same(one: Tombstone[Any], other: Tombstone[Any]) -> bool:
    """By what survives the way through JSON and a move to another stream: documents may not, and places do not."""
    ids = [each.intent.event_id if each.intent else None for each in (one, other)]
    return ids[0] == ids[1] and one.deleted_at == other.deleted_at
