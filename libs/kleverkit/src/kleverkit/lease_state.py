"""The state of a lease, as one replica knows it; pure.

As in Kubernetes' leader election, clocks of two machines are never compared. A candidate waits until the record has not
changed for the duration of the lease, by the candidate's own clock. The holder stops earlier: it counts from before it
sent its last renewal, and candidates count from after they have read it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from kleverproto.base import WireModel

from .documents import NEVER, Buried, Stored
from .processes import ProcessReference


class LeaseRecord(WireModel):
    """The stored record of a lease."""

    holder: str
    """Unique for each start of a process."""
    process: ProcessReference
    """The holder's process: if it is known to have exited, the lease is free."""
    duration_seconds: float
    """Time without a change of the record after which another replica may acquire the lease."""
    released: bool = False
    """True if the holder has released the lease."""


class LeaseStatus(StrEnum):
    """The status of a replica with regard to a lease."""

    STANDBY = "standby"
    """Another replica holds the lease, or none does."""
    HELD = "held"
    EXPIRED = "expired"
    """This replica could not renew the lease in time: another one may have acquired it."""


@dataclass(frozen=True)
class Timing:
    """The timing of a lease, in seconds."""

    duration: float = 6.0
    """Time without a renewal after which others may acquire the lease."""
    deadline: float = 4.0
    """Time without a renewal after which the holder stops; the difference to `duration` is the time to stop."""
    pause: float = 1.0
    """Interval between two renewals, and between two reads of a candidate."""

    def __post_init__(self) -> None:
        if not 0 < self.pause < self.deadline < self.duration:
            raise ValueError("a lease needs pause < deadline < duration")


DEFAULT_TIMING = Timing()


@dataclass(frozen=True)
class Term:
    """A period in which this replica holds the lease."""

    number: int
    """Revision of its first record; larger than that of earlier terms, since revisions only increase."""
    revision: int
    """Revision of its last record."""
    renewed_at: float
    """Time when the last successful renewal was sent."""


@dataclass(frozen=True)
class Sighting:
    """The last record that was read."""

    record: LeaseRecord | None
    revision: int
    since: float | None
    """Time when this revision was first read; None if reads have failed since."""


@dataclass(frozen=True)
class LeaseState:
    """See the module. Methods return the next state; `now` is in seconds of a monotonic clock."""

    holder: str
    timing: Timing = DEFAULT_TIMING
    term: Term | None = None
    sighting: Sighting | None = None

    def status(self, now: float) -> LeaseStatus:
        """The present status of this replica."""
        if self.term is None:
            return LeaseStatus.STANDBY
        return LeaseStatus.HELD if now < self.expires_at else LeaseStatus.EXPIRED

    @property
    def expires_at(self) -> float:
        """Time when the term of this replica expires, unless it is renewed."""
        return -math.inf if self.term is None else self.term.renewed_at + self.timing.deadline

    def read(self, stored: Stored[LeaseRecord] | Buried[LeaseRecord] | None, now: float) -> "LeaseState":
        """The state after the record was read. A record of another holder ends this replica's term."""
        record = stored.document if isinstance(stored, Stored) else None
        revision = stored.revision if stored else NEVER
        is_superseded = record is not None and record.holder != self.holder
        sighting = Sighting(record, revision, self._since(record, revision, now))
        return replace(self, term=None if is_superseded else self.term, sighting=sighting)

    def after_failed_read(self) -> "LeaseState":
        """The state after a failed read: the wait of a candidate restarts, since the holder may have renewed."""
        return replace(self, sighting=replace(self.sighting, since=None) if self.sighting else None)

    def may_write(self, now: float, has_exited: Callable[[ProcessReference], bool]) -> bool:
        """Return whether this replica may write the record, to acquire or to renew the lease."""
        if self.sighting is None or self.sighting.since is None:
            return False
        record, waited = self.sighting.record, now - self.sighting.since
        if record is None:  # the lease was never held, or the bucket was lost
            return self.status(now) is LeaseStatus.HELD or waited >= self.timing.duration
        is_free = record.released or record.holder == self.holder or has_exited(record.process)
        return is_free or waited >= record.duration_seconds

    def after_write(self, revision: int, began: float) -> "LeaseState":
        """The state after this replica has written the record, with a request that was sent at `began`."""
        number = self.term.number if self.term is not None else revision
        return replace(self, term=Term(number, revision, began), sighting=None)

    def released(self) -> "LeaseState":
        """The state after the lease was released."""
        return replace(self, term=None, sighting=None)

    def _since(self, record: LeaseRecord | None, revision: int, now: float) -> float:
        if self.sighting is None and self.term is None and record is None:
            return -math.inf  # the first read of this process: it cannot have missed a holder
        known = self.sighting
        return known.since if known and known.since is not None and known.revision == revision else now
