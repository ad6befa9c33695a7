"""A lease: one replica of a service holds it at a time (docs/adr/0031)."""

import asyncio
import secrets
import time
from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry, Gauge

from .documents import Documents
from .errors import ConflictError, TransientError
from .lease_state import DEFAULT_TIMING, LeaseRecord, LeaseState, LeaseStatus, Timing
from .processes import ProcessReference, has_exited, this_process
from .repeats import Repeats
from .tasks import cancel

log = structlog.get_logger(__name__)

REQUEST_SECONDS = 1.5
"""Longest wait for NATS before a renewal is tried again."""
REQUIRED_SECONDS = 3.0
"""How long a request that only the leader may handle waits for the lease, as after a start."""
STALE_SECONDS = 15.0
"""A replica that could not read its lease for this long is not ready to take over."""


class NotLeaderError(TransientError):
    """This replica does not hold the lease, so that it may not write."""


def boot_seconds() -> float:
    """Seconds since the machine started, including those in which it was suspended; nobody can set this clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class Lease:
    """One replica's side of a lease. `start` competes for it, `stop` releases it.

    Args:
        records: the bucket of leases.
        name: key of the record; that of the service.
        metrics: where `klever_lease_held` says whether this replica is the leader.
        process: of this replica.
        timing: how long it lasts.
        clock: seconds, see `boot_seconds`.
        exited: whether a process has provably exited.
    """

    def __init__(  # noqa: PLR0913 - what it works with, and what tests replace
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
        about = "1 in the replica that holds the lease, 0 in a standby."
        held = Gauge("klever_lease_held", about, ["name"], registry=metrics)
        held.labels(name).set_function(lambda: self.status is LeaseStatus.HELD)

    @property
    def status(self) -> LeaseStatus:
        """What this replica is at this moment."""
        return self._state.status(self._clock())

    @property
    def term(self) -> int:
        """Grows with each change of the holder. Raises NotLeaderError."""
        self.check()
        return self._state.term.number if self._state.term else 0

    def check(self) -> None:
        """Raises NotLeaderError unless this replica holds the lease now: asked before each write that only it may."""
        if self.status is not LeaseStatus.HELD:
            raise NotLeaderError(
                f"this replica does not hold the lease {self.name!r}: try again, or ask the replica whose metric "
                "klever_lease_held is 1"
            )

    async def require(self, within: float = REQUIRED_SECONDS) -> None:
        """Wait for the lease for so many seconds. Raises NotLeaderError."""
        try:
            async with asyncio.timeout(within):
                await self.until(LeaseStatus.HELD)
        except TimeoutError:
            self.check()

    async def until(self, *statuses: LeaseStatus) -> None:
        """Wait until the status is one of these; it is asked for at once when the term expires."""
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
        """Give the lease up, so that another replica need not wait. What only the holder may do must have ended."""
        await cancel(self._keeping)
        await self.release()

    async def release(self) -> None:
        """Mark the record as released where this replica may hold it; best effort, for it expires anyway."""
        term, self._state = self._state.term, self._state.released()
        self._report()
        if term is None:
            return
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._records.update(self.name, self._record(released=True), term.revision)
        except Exception as error:  # noqa: BLE001 - a process that stops must not fail because of this
            log.warning("lease not released", lease=self.name, error=str(error) or type(error).__name__)

    async def look(self) -> None:
        """Renew the lease, or read who holds it and acquire it if it is free."""
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._renew_or_read()
        except ConflictError:
            pass  # another replica was first: the next look reads its record
        except Exception as error:  # noqa: BLE001 - whatever a request fails with says nothing about the holder
            self._state = self._state.unanswered()
            if self._repeats.is_new(str(error)):
                log.warning("lease not read", lease=self.name, error=str(error) or type(error).__name__)
        else:
            self._answered_at = self._clock()
        self._report()

    async def problem(self) -> str | None:
        """A readiness check: a standby is ready too, as long as it sees who holds the lease."""
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
        """False where there is nothing to renew, or the record was written since."""
        if self._state.term is None:
            return False
        try:
            await self._write(self._state.term.revision)
        except ConflictError:  # of another replica, or of this one's own request whose answer was lost
            return False
        return True

    async def _write(self, revision: int) -> None:
        began = self._clock()
        written = await self._records.update(self.name, self._record(), revision)
        self._state = self._state.wrote(written, began)

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
        """Wake those who wait, and log what changed."""
        status = self.status
        if status is not self._reported:
            log.info("lease", lease=self.name, status=str(status), before=str(self._reported))
            self._reported = status
        self._changed.set()
        self._changed = asyncio.Event()
