"""Reconciles the streams, buckets and consumers that a service needs (docs/adr/0019)."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import nats.errors
import nats.js.errors
import structlog
from nats.js import JetStreamContext

from kleverproto.streams import BUCKETS, LEASES_BUCKET, POSITIONS_BUCKET, STREAMS, BucketSpec, ConsumerSpec, StreamSpec

from .consumers import ConsumerPart
from .errors import TransientError
from .nats_calls import ClientSource
from .provisioning import BucketPart, Part, StreamPart, create_when_storable
from .repeats import Repeats

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 2.0
"""Interval between two checks, unless one is requested earlier."""
RETRY_SECONDS = 0.5
"""Interval between two checks while there is a problem."""
SHORTEST_SECONDS = 0.1
"""Shortest interval between two requested checks."""
REQUEST_SECONDS = 2.0
"""Timeout of one request to the server."""
STALE_SECONDS = 10.0
"""Age of a check after which readiness does not rely on it."""

UNREACHABLE = (
    nats.errors.TimeoutError,
    nats.errors.ConnectionClosedError,
    nats.js.errors.ServiceUnavailableError,
    OSError,
)
"""Errors that end a check immediately, since other parts would fail in the same way."""


@dataclass(frozen=True)
class Needs:
    """The streams and buckets that a service needs on the server.

    Attributes:
        streams: all of the contract by default.
        buckets: all of the contract by default.
        creates: whether the service creates missing ones; otherwise it waits for another service to do so.
    """

    streams: Sequence[StreamSpec] = STREAMS
    buckets: Sequence[BucketSpec] = (*BUCKETS, POSITIONS_BUCKET, LEASES_BUCKET)
    creates: bool = True


class Topology:
    """Checks the streams, buckets and consumers of a service periodically, and creates missing ones.

    Args:
        client: returns the connected client.
        needs: the streams and buckets.
        replicas: number of replicas of each stream and bucket, existing ones included; None creates them with one.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        client: ClientSource,
        needs: Needs = Needs(),
        *,
        replicas: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._clock = clock
        self._creates = needs.creates
        copies = replicas if needs.creates else None
        self._streams = {spec.name: StreamPart(spec, copies) for spec in needs.streams}
        self._buckets = [BucketPart(spec, copies) for spec in needs.buckets]
        self._consumers: list[ConsumerPart] = []
        self._problems: dict[str, str] = {}
        self._failure: str | None = "they have not been checked yet"
        self._checked_at = clock()
        self._wake = asyncio.Event()
        self._complete = asyncio.Event()
        self._repeats = Repeats(clock=clock)

    def need(self, consumers: Iterable[ConsumerSpec]) -> None:
        """Add consumers, except those that were added before."""
        known = {part.name for part in self._consumers}
        new = [spec for spec in consumers if spec.durable not in known]
        self._consumers += [ConsumerPart(spec, self._streams[spec.stream]) for spec in new]

    def check_now(self) -> None:
        """Request a check without waiting for the interval, because there is a problem."""
        self._wake.set()

    async def complete(self) -> None:
        """Wait until everything has existed once."""
        await self._complete.wait()

    async def run(self) -> None:
        """Check periodically, and create missing parts, until cancelled."""
        while True:
            await self.reconcile()
            await asyncio.sleep(SHORTEST_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS if self._is_troubled() else PERIOD_SECONDS):
                    await self._wake.wait()
            self._wake.clear()

    async def reconcile(self) -> None:
        """Check everything once, and create missing parts."""
        try:
            js = self._client().jetstream(timeout=REQUEST_SECONDS)
            for part in self._parts():
                await self._reconcile(part, js)
        except (*UNREACHABLE, TransientError) as error:
            self._failure = _reason(error)
            self._report(self._failure)
        else:
            self._failure = None
            if not self._problems:
                self._complete.set()
        self._checked_at = self._clock()

    async def streams_problem(self) -> str | None:
        """Readiness check of streams and buckets."""
        return self._problem("streams and buckets", [*self._streams.values(), *self._buckets])

    async def consumers_problem(self) -> str | None:
        """Readiness check of consumers."""
        return self._problem("consumers", self._consumers)

    def _is_troubled(self) -> bool:
        return self._failure is not None or bool(self._problems)

    def _parts(self) -> list[Part]:
        return [*self._streams.values(), *self._buckets, *self._consumers]

    async def _reconcile(self, part: Part, js: JetStreamContext) -> None:
        try:
            if not await part.exists(js):
                self._problems[part.name] = f"{part.name} is missing, or not as the contract says"
                if not self._creates:
                    return
                await create_when_storable(part, js)
                write_log = log.warning if self._complete.is_set() else log.info
                write_log("created on NATS: it was missing or had another configuration", name=part.name)
            elif self._creates:
                await part.save_state(js)
        except UNREACHABLE:
            raise
        except nats.errors.Error as error:
            self._problems[part.name] = f"{part.name} cannot be created: {_reason(error)}"
            self._report(self._problems[part.name])
        else:
            self._problems.pop(part.name, None)

    def _problem(self, what: str, parts: Sequence[Part]) -> str | None:
        if self._failure is not None:
            return f"the {what} cannot be checked: {self._failure}"
        age = self._clock() - self._checked_at
        if age > STALE_SECONDS:
            return f"the {what} were last checked {age:.0f} seconds ago"
        return "; ".join(self._problems[part.name] for part in parts if part.name in self._problems) or None

    def _report(self, problem: str) -> None:
        if self._repeats.is_new(problem):
            log.warning("waiting for nats", error=problem)


def _reason(error: Exception) -> str:
    if isinstance(error, nats.js.errors.ServiceUnavailableError):
        return error.description or "JetStream is not available on this server"
    return str(error) or type(error).__name__
