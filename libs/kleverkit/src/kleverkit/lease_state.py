"""What one replica knows of a lease, and what follows from it: no clock is read here, and nothing is sent.

As in Kubernetes' leader election, times of two machines are never compared. A candidate waits until the record has not
changed for as long as the holder promised to renew it, by the candidate's own clock. The holder stops earlier: it
counts from before it sent its last renewal, and candidates count from after they have seen it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from kleverproto.base import WireModel

from .documents import NEVER, Buried, Stored
from .processes import ProcessReference


class LeaseRecord(WireModel):
    """What is stored for a lease."""

    holder: str
    """Unique to one start of one process."""
    process: ProcessReference
    """The holder's process: where it has provably exited nobody has to wait."""
    duration_seconds: float
    """Unless the record changes for this long, another replica may acquire the lease."""
    released: bool = False
    """Whether the holder has given the lease up."""


class LeaseStatus(StrEnum):
    """What a replica is with regard to a lease."""

    STANDBY = "standby"
    """Another replica holds it, or none does."""
    HELD = "held"
    EXPIRED = "expired"
    """This replica could not renew it in time: another one may have acquired it."""


@dataclass(frozen=True)
class Timing:
    """All in seconds."""

    duration: float = 6.0
    """Others may acquire the lease when it was not renewed for this long."""
    deadline: float = 4.0
    """The holder stops when it could not renew the lease for this long: the difference is for stopping."""
    pause: float = 1.0
    """Between two renewals, and between two looks of a candidate."""

    def __post_init__(self) -> None:
        if not 0 < self.pause < self.deadline < self.duration:
            raise ValueError("a lease needs pause < deadline < duration")


DEFAULT_TIMING = Timing()


@dataclass(frozen=True)
class Term:
    """A time during which this replica holds the lease."""

    number: int
    """Revision of its first record: higher than that of any term before, since revisions of a bucket only grow."""
    revision: int
    """Of its last record."""
    renewed_at: float
    """When the last renewal that succeeded was begun."""


@dataclass(frozen=True)
class Sighting:
    """The record as it was last read."""

    record: LeaseRecord | None
    revision: int
    since: float | None
    """When it was first seen at this revision; None where reads have failed since, which say nothing."""


@dataclass(frozen=True)
class LeaseState:
    """See the module. Methods return the next state; `now` is seconds of a clock that nobody sets."""

    holder: str
    timing: Timing = DEFAULT_TIMING
    term: Term | None = None
    sighting: Sighting | None = None

    def status(self, now: float) -> LeaseStatus:
        """What this replica is at this moment."""
        if self.term is None:
            return LeaseStatus.STANDBY
        return LeaseStatus.HELD if now < self.expires_at else LeaseStatus.EXPIRED

    @property
    def expires_at(self) -> float:
        """When this replica no longer holds the lease, unless it is renewed."""
        return -math.inf if self.term is None else self.term.renewed_at + self.timing.deadline

    def read(self, stored: Stored[LeaseRecord] | Buried[LeaseRecord] | None, now: float) -> "LeaseState":
        """The record was read. One of another holder ends this replica's term."""
        record = stored.document if isinstance(stored, Stored) else None
        revision = stored.revision if stored else NEVER
        is_superseded = record is not None and record.holder != self.holder
        sighting = Sighting(record, revision, self._since(record, revision, now))
        return replace(self, term=None if is_superseded else self.term, sighting=sighting)

    def unanswered(self) -> "LeaseState":
        """NATS did not answer: who waits for a renewal waits from the beginning, or an outage would look like one."""
        return replace(self, sighting=replace(self.sighting, since=None) if self.sighting else None)

    def may_write(self, now: float, has_exited: Callable[[ProcessReference], bool]) -> bool:
        """Whether the record may be replaced by one of this replica, to acquire the lease or to renew it."""
        if self.sighting is None or self.sighting.since is None:
            return False
        record, waited = self.sighting.record, now - self.sighting.since
        if record is None:  # nobody has ever held it, or the bucket was lost
            return self.status(now) is LeaseStatus.HELD or waited >= self.timing.duration
        is_free = record.released or record.holder == self.holder or has_exited(record.process)
        return is_free or waited >= record.duration_seconds

    def wrote(self, revision: int, began: float) -> "LeaseState":
        """A record of this replica was stored, by a request that began at that moment."""
        number = self.term.number if self.term is not None else revision
        return replace(self, term=Term(number, revision, began), sighting=None)

    def released(self) -> "LeaseState":
        """The lease was given up."""
        return replace(self, term=None, sighting=None)

    def _since(self, record: LeaseRecord | None, revision: int, now: float) -> float:
        if self.sighting is None and self.term is None and record is None:
            return -math.inf  # the first look of this process: there is no holder that it could have missed
        known = self.sighting
        return known.since if known and known.since is not None and known.revision == revision else now
