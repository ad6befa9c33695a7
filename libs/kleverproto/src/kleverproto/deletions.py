"""Deletion of documents: pure steps, the same for all kinds of documents.

1. A request for the deletion replaces the document by a tombstone. If the owner must stop something first, the request
   marks the document as being deleted instead. A late request, by its sequence in the stream, changes nothing.
2. The event of the deletion is published. Until then the tombstone is unannounced, and no document can replace it.
3. The tombstone is marked as announced. It rejects requests from before the deletion.
4. Once no such request can arrive any more, the tombstone is removed.

`kleverkit.deletions` carries out these steps, and repairs a crash between any two of them.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias, TypeVar

from .base import WireModel
from .documents import Intent, Tombstone, is_late

TOMBSTONE_AGE = timedelta(hours=1)
"""Lifetime of an announced tombstone. Owners whose requests can be later than that require further proof."""


DocumentT = TypeVar("DocumentT", bound=WireModel)
Known: TypeAlias = DocumentT | Tombstone[DocumentT] | None
"""The stored value of a key."""


class _Status(Protocol):
    @property
    def intent(self) -> Intent | None: ...


class Ordered(Protocol):
    """A document whose requests are ordered by their sequences in a stream."""

    @property
    def status(self) -> _Status:
        """The status, which has the newest request."""
        ...


def newest_intent(known: Ordered | Tombstone[Any] | None) -> Intent | None:
    """Return the newest request that led to a document or tombstone."""
    if known is None or isinstance(known, Tombstone):
        return known.intent if known else None
    return known.status.intent


def last_document(known: Known[DocumentT]) -> DocumentT | None:
    """Return the present document, or the last one before its deletion."""
    return known.document if isinstance(known, Tombstone) else known


def deletion_requested(
    known: Known[DocumentT],
    newest: Intent | None,
    intent: Intent,
    now: datetime,
    *,
    begin: Callable[[DocumentT], DocumentT | Tombstone[DocumentT]],
) -> DocumentT | Tombstone[DocumentT] | None:
    """Return the new value after a request for a deletion; None if the request is late.

    A document that never existed gets a tombstone, too: it rejects a request that was made before the deletion and is
    handled after it.

    Args:
        known: the stored value.
        newest: the newest request that led to it.
        intent: the request.
        now: the current time.
        begin: returns the document in the phase of its deletion, or its tombstone if nothing has to be stopped.
    """
    if is_late(newest, intent):
        return None
    if known is None or isinstance(known, Tombstone):
        return Tombstone[Any](document=last_document(known), intent=intent, deleted_at=now)
    return begin(known)


def announced(known: Known[DocumentT], tombstone: Tombstone[DocumentT]) -> Tombstone[DocumentT] | None:
    """Return the tombstone as announced; None if it is announced already, or if another value is stored."""
    if not isinstance(known, Tombstone) or known.announced or not _are_same(known, tombstone):
        return None
    return known.replace(announced=True)


def is_expired(tombstone: Tombstone[Any], now: datetime) -> bool:
    """Return whether a tombstone can be removed."""
    return tombstone.announced and tombstone.deleted_at < now - TOMBSTONE_AGE


def _are_same(one: Tombstone[Any], other: Tombstone[Any]) -> bool:
    """Compare event id and time: only these survive a round trip through JSON and a move to another stream."""
    ids = [each.intent.event_id if each.intent else None for each in (one, other)]
    return ids[0] == ids[1] and one.deleted_at == other.deleted_at
