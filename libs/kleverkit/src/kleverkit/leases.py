"""A lease, which only one replica of a service holds at a time (docs/adr/0031)."""

import asyncio
import secrets
import time
from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry

from kleverproto.metrics import LEASE_HELD

from .documents import Documents
from .errors import ConflictError, TransientError
from .lease_state import DEFAULT_TIMING, LeaseRecord, LeaseState, LeaseStatus, Timing
from .metrics import gauge
from .processes import ProcessReference, has_exited, this_process
from .repeats import Repeats
from .tasks import cancel

log = structlog.get_logger(__name__)

REQUEST_SECONDS = 1.5
"""Timeout of a request to NATS, after which a renewal is retried."""
REQUIRED_SECONDS = 3.0
"""Longest wait for the lease, such as after a start, of a request that only the leader may handle."""
STALE_SECONDS = 15.0
"""Time without a successful read of the lease after which a replica is not ready."""


class NotLeaderError(TransientError):
    """This replica does not hold the lease and therefore may not write."""


def boot_seconds() -> float:
    """Seconds since the machine started, including suspended time; this clock cannot be set."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class Lease:
    """One replica's side of a lease. `start` competes for it, `stop` releases it.

    Args:
        records: the bucket of leases.
        name: key of the record, which is the name of the service.
        metrics: registry for the metric `klever_lease_held`, which is 1 in the leader.
        process: the process of this replica.
        timing: the timing of the lease.
        clock: seconds, see `boot_seconds`.
        exited: returns whether a process is known to have exited.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, which tests replace
        self,
        records: Documents[LeaseRecord],
        name: str,
        metrics: CollectorRegistry,
        *,
        process: ProcessReference | None = None,
        timing: Timing = DEFAULT_TIMING,
        clock: Callable[[], float] = boot_seconds,
        exited: Callable[[ProcessReference], bool] = has_exited,
    ) -> None:
        self.name = name
        self._records = records
        self._process = process or this_process()
        self._timing, self._clock, self._exited = timing, clock, exited
        self._state = LeaseState(f"{self._process.pid}-{secrets.token_hex(8)}", timing)
        self._reported = LeaseStatus.STANDBY
        self._changed = asyncio.Event()
        self._answered_at = clock()
        self._repeats = Repeats()
        self._keeping: list[asyncio.Task[None]] = []
        gauge(LEASE_HELD, metrics).labels(name).set_function(lambda: self.status is LeaseStatus.HELD)

    @property
    def status(self) -> LeaseStatus:
        """The present status of this replica."""
        return self._state.status(self._clock())

    @property
    def term(self) -> int:
        """The number of the present term, which increases with each change of the holder. Raises NotLeaderError."""
        self.check()
        return self._state.term.number if self._state.term else 0

    def check(self) -> None:
        """Check that this replica holds the lease; called before each write of the leader. Raises NotLeaderError."""
        if self.status is not LeaseStatus.HELD:
            raise NotLeaderError(
                f"this replica does not hold the lease {self.name!r}: retry, or send the request to the replica whose "
                "metric klever_lease_held is 1"
            )

    async def require(self, within: float = REQUIRED_SECONDS) -> None:
        """Wait for the lease for at most this number of seconds. Raises NotLeaderError."""
        try:
            async with asyncio.timeout(within):
                await self.until(LeaseStatus.HELD)
        except TimeoutError:
            self.check()

    async def until(self, *statuses: LeaseStatus) -> None:
        """Wait until the status is one of these, including an expiry of the term."""
        while self.status not in statuses:
            changed = self._changed
            left = self._state.expires_at - self._clock() if self.status is LeaseStatus.HELD else None
            try:
                async with asyncio.timeout(left):
                    await changed.wait()
            except TimeoutError:
                continue

    def start(self) -> None:
        """Compete for the lease, and renew it once it is held."""
        self._keeping = [asyncio.create_task(self._keep())]

    async def stop(self) -> None:
        """Release the lease, so that another replica need not wait. All work of the leader must have ended."""
        await cancel(self._keeping)
        await self.release()

    async def release(self) -> None:
        """Mark the record as released if this replica may hold the lease; errors are ignored, since it expires."""
        term, self._state = self._state.term, self._state.released()
        self._report()
        if term is None:
            return
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._records.update(self.name, self._record(released=True), term.revision)
        except Exception as error:  # noqa: BLE001 - an error must not prevent the process from stopping
            log.warning("lease not released", lease=self.name, error=str(error) or type(error).__name__)

    async def look(self) -> None:
        """Renew the lease, or read the record and acquire the lease if it is free."""
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._renew_or_read()
        except ConflictError:
            pass  # another replica was first: its record is read next time
        except Exception as error:  # noqa: BLE001 - a failed request does not change the holder
            self._state = self._state.after_failed_read()
            if self._repeats.is_new(str(error)):
                log.warning("lease not read", lease=self.name, error=str(error) or type(error).__name__)
        else:
            self._answered_at = self._clock()
        self._report()

    async def problem(self) -> str | None:
        """Readiness check: a standby is ready too, while it can read the lease."""
        age = self._clock() - self._answered_at
        return None if age < STALE_SECONDS else f"the lease {self.name!r} was last read {age:.0f} seconds ago"

    async def _renew_or_read(self) -> None:
        if await self._renew():
            return
        stored = await self._records.find(self.name)
        self._state = self._state.read(stored, self._clock())
        if self._state.may_write(self._clock(), self._exited) and self._state.sighting is not None:
            await self._write(self._state.sighting.revision)

    async def _renew(self) -> bool:
        """Renew the lease. Return False if there is no term, or another record was written since."""
        if self._state.term is None:
            return False
        try:
            await self._write(self._state.term.revision)
        except ConflictError:  # by another replica, or by a request of this one whose response was lost
            return False
        return True

    async def _write(self, revision: int) -> None:
        began = self._clock()
        written = await self._records.update(self.name, self._record(), revision)
        self._state = self._state.after_write(written, began)

    def _record(self, *, released: bool = False) -> LeaseRecord:
        return LeaseRecord(
            holder=self._state.holder,
            process=self._process,
            duration_seconds=self._timing.duration,
            released=released,
        )

    async def _keep(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._timing.pause)

    def _report(self) -> None:
        """Wake waiting callers, and log a change of the status."""
        status = self.status
        if status is not self._reported:
            log.info("lease", lease=self.name, status=str(status), before=str(self._reported))
            self._reported = status
        self._changed.set()
        self._changed = asyncio.Event()
