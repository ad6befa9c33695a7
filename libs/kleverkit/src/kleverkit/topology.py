"""Keeps the streams, buckets and consumers that a service needs in being (docs/adr/0019)."""

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
from .provisioning import BucketPart, Part, StreamPart, make_storable
from .repeats import Repeats

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 2.0
"""Between two looks, unless something asks for one earlier."""
RETRY_SECONDS = 0.5
"""Between two looks while something is wrong."""
SHORTEST_SECONDS = 0.1
"""Between two looks, however often one is asked for."""
REQUEST_SECONDS = 2.0
"""Longest wait for one answer of the server."""
STALE_SECONDS = 10.0
"""Readiness does not rely on a look that is older than this."""

UNREACHABLE = (
    nats.errors.TimeoutError,
    nats.errors.ConnectionClosedError,
    nats.js.errors.ServiceUnavailableError,
    OSError,
)
"""What ends a look at once, since the next part would fail in the same way."""


@dataclass(frozen=True)
class Needs:
    """What a service needs on the server, besides its consumers.

    Attributes:
        streams: all of the contract, where nothing else is said.
        buckets: likewise.
        creates: whether the service creates what is missing; else it waits until another one has.
    """

    streams: Sequence[StreamSpec] = STREAMS
    buckets: Sequence[BucketSpec] = (*BUCKETS, POSITIONS_BUCKET, LEASES_BUCKET)
    creates: bool = True


class Topology:
    """What a service needs on the server: looked at again and again, and made where it is missing.

    Args:
        client: gives the connected client.
        needs: what to look at.
        replicas: copies of each stream and bucket.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        client: ClientSource,
        needs: Needs = Needs(),
        *,
        replicas: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._clock = clock
        self._creates = needs.creates
        copies = replicas if needs.creates else None
        self._streams = {spec.name: StreamPart(spec, copies) for spec in needs.streams}
        self._buckets = [BucketPart(spec, replicas) for spec in needs.buckets]
        self._consumers: list[ConsumerPart] = []
        self._problems: dict[str, str] = {}
        self._failure: str | None = "they have not been looked at yet"
        self._looked_at = clock()
        self._wake = asyncio.Event()
        self._complete = asyncio.Event()
        self._repeats = Repeats(clock=clock)

    def need(self, consumers: Iterable[ConsumerSpec]) -> None:
        """Keep these consumers too, those that are kept already aside."""
        known = {part.name for part in self._consumers}
        new = [spec for spec in consumers if spec.durable not in known]
        self._consumers += [ConsumerPart(spec, self._streams[spec.stream]) for spec in new]

    def look_now(self) -> None:
        """Look without waiting for the next time: something does not work."""
        self._wake.set()

    async def complete(self) -> None:
        """Wait until everything has been there once."""
        await self._complete.wait()

    async def run(self) -> None:
        """Look, and make what is missing, until cancelled."""
        while True:
            await self.reconcile()
            await asyncio.sleep(SHORTEST_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), RETRY_SECONDS if self._is_troubled() else PERIOD_SECONDS)
            self._wake.clear()

    async def reconcile(self) -> None:
        """Look once at everything, and make what is missing."""
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
        self._looked_at = self._clock()

    async def streams_problem(self) -> str | None:
        """A readiness check of streams and buckets."""
        return self._problem("streams and buckets", [*self._streams.values(), *self._buckets])

    async def consumers_problem(self) -> str | None:
        """A readiness check of consumers."""
        return self._problem("consumers", self._consumers)

    def _is_troubled(self) -> bool:
        return self._failure is not None or bool(self._problems)

    def _parts(self) -> list[Part]:
        return [*self._streams.values(), *self._buckets, *self._consumers]

    async def _reconcile(self, part: Part, js: JetStreamContext) -> None:
        try:
            if not await part.is_there(js):
                self._problems[part.name] = f"{part.name} is missing, or not as the contract says"
                if not self._creates:
                    return
                await make_storable(part, js)
                note = log.warning if self._complete.is_set() else log.info
                note("created on NATS, since it was missing or not as it should be", name=part.name)
            elif self._creates:
                await part.note(js)
        except UNREACHABLE:
            raise
        except nats.errors.Error as error:
            self._problems[part.name] = f"{part.name} cannot be made: {_reason(error)}"
            self._report(self._problems[part.name])
        else:
            self._problems.pop(part.name, None)

    def _problem(self, what: str, parts: Sequence[Part]) -> str | None:
        if self._failure is not None:
            return f"NATS does not say whether the {what} are there: {self._failure}"
        age = self._clock() - self._looked_at
        if age > STALE_SECONDS:
            return f"the {what} were last looked at {age:.0f} seconds ago"
        return "; ".join(self._problems[part.name] for part in parts if part.name in self._problems) or None

    def _report(self, problem: str) -> None:
        if self._repeats.is_new(problem):
            log.warning("waiting for nats", error=problem)


def _reason(error: Exception) -> str:
    if isinstance(error, nats.js.errors.ServiceUnavailableError):
        return error.description or "JetStream is not available on this server"
    return str(error) or type(error).__name__
