"""Deletions of servings and jobs whose resources are deleted."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from klever_gateway.domain.rows import Row

REPEAT_SECONDS = 300.0
"""Time after which a request without an effect is made again: longer than JetStream drops it as a repeated one."""


def is_deleted(row: Row | None, sequence: int) -> bool:
    """Return whether a request for a deletion has been carried out.

    Only the owner's tombstone proves a deletion, or a document that was requested after it. A missing row proves
    nothing: this gateway may not have read it yet, or the bucket may be lost.

    Args:
        row: the last known row.
        sequence: sequence of the request in its stream.
    """
    if row is None or row.accepted:
        return False
    return row.sequence >= sequence if row.hidden else row.sequence > sequence


@dataclass
class PendingDeletions:
    """The requests for deletions of this process, by the uid of the resource.

    Another process makes the same request again, which has the same id.

    Attributes:
        clock: monotonic seconds.
    """

    clock: Callable[[], float] = time.monotonic
    _requests: dict[str, tuple[int, float]] = field(default_factory=dict)

    async def sequence(self, uid: str, request: Callable[[], Awaitable[int | None]]) -> int | None:
        """Return the sequence of the request for a deletion, which is made if it was not made lately.

        Args:
            uid: of the resource.
            request: makes the request, and returns its sequence; None if nothing is to be deleted.
        """
        made, made_at = self._requests.get(uid, (0, float("-inf")))
        if self.clock() < made_at + REPEAT_SECONDS:
            return made
        sequence = await request()
        if sequence is not None:
            self._requests[uid] = (sequence, self.clock())
        return sequence

    def forget(self, uid: str) -> None:
        """Forget a deletion that has been carried out."""
        self._requests.pop(uid, None)
