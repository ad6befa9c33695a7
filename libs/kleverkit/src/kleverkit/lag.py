"""Exports the lag of consumers, and the sizes of streams."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import nats.errors
import nats.js.errors
import structlog
from nats.js import JetStreamContext
from nats.js.api import ConsumerInfo
from prometheus_client import CollectorRegistry

from kleverproto.envelope import utc_now
from kleverproto.metrics import (
    CONSUMER_AGE,
    CONSUMER_PENDING,
    CONSUMER_UNACKNOWLEDGED,
    STREAM_BYTES,
    STREAM_MESSAGES,
)
from kleverproto.streams import ConsumerSpec

from .errors import TransientError
from .metrics import gauge, replace_samples
from .nats_calls import ClientSource, call
from .repeats import Repeats

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 2.0
REQUEST_SECONDS = 2.0


@dataclass(frozen=True)
class Lag:
    """The backlog of a consumer. The age is in seconds; None if it is not known."""

    pending: int
    unacknowledged: int
    age: float | None


class LagMonitor:
    """Reads the lag of consumers periodically. A figure that cannot be read is not exported.

    Args:
        client: returns the connected client.
        consumers: the consumers.
        metrics: the registry of the service's metrics.
        reads_events: whether the service may read events, which the age of the oldest one requires.
        streams: streams, including those of buckets, whose sizes are exported.
        clock: the present.
    """

    def __init__(
        self,
        client: ClientSource,
        consumers: Iterable[ConsumerSpec],
        metrics: CollectorRegistry,
        *,
        reads_events: bool,
        streams: Iterable[str] = (),
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._client = client
        self._consumers = tuple(consumers)
        self._streams = tuple(streams)
        self._reads_events = reads_events
        self._clock = clock
        self._repeats = Repeats()
        self._pending, self._unacknowledged = gauge(CONSUMER_PENDING, metrics), gauge(CONSUMER_UNACKNOWLEDGED, metrics)
        self._age = gauge(CONSUMER_AGE, metrics) if reads_events else None
        is_sized = bool(self._streams)
        self._sizes = (gauge(STREAM_MESSAGES, metrics), gauge(STREAM_BYTES, metrics)) if is_sized else None

    async def run(self) -> None:
        """Update the metrics until cancelled."""
        while True:
            await self.update()
            await asyncio.sleep(PERIOD_SECONDS)

    async def update(self) -> None:
        """Update the metrics once."""
        lags: dict[tuple[str, ...], Lag] = {}
        sizes: dict[tuple[str, ...], tuple[int, int]] = {}
        try:
            js = self._client().jetstream(timeout=REQUEST_SECONDS)
            for consumer in self._consumers:
                lags[consumer.durable,] = await self._lag(js, consumer)
            for stream in self._streams:
                state = (await call(js.stream_info(stream))).state
                sizes[stream,] = (state.messages, state.bytes)
        except (nats.errors.Error, TransientError, OSError) as error:
            if self._repeats.is_new(str(error)):
                log.warning("lag of consumers not read", error=str(error) or type(error).__name__)
        self._export(lags, sizes)

    def _export(self, lags: dict[tuple[str, ...], Lag], sizes: dict[tuple[str, ...], tuple[int, int]]) -> None:
        replace_samples(self._pending, {key: lag.pending for key, lag in lags.items()})
        replace_samples(self._unacknowledged, {key: lag.unacknowledged for key, lag in lags.items()})
        if self._age is not None:
            replace_samples(self._age, {key: lag.age for key, lag in lags.items() if lag.age is not None})
        if self._sizes is not None:
            messages, size = self._sizes
            replace_samples(messages, {key: each[0] for key, each in sizes.items()})
            replace_samples(size, {key: each[1] for key, each in sizes.items()})

    async def _lag(self, js: JetStreamContext, consumer: ConsumerSpec) -> Lag:
        info = await call(js.consumer_info(consumer.stream, consumer.durable))
        pending, unacknowledged = info.num_pending or 0, info.num_ack_pending or 0
        age = await self._oldest_age(js, consumer, info) if pending or unacknowledged else 0.0
        return Lag(pending, unacknowledged, age)

    async def _oldest_age(self, js: JetStreamContext, consumer: ConsumerSpec, info: ConsumerInfo) -> float | None:
        """The age of the first message after the last one up to which all are acknowledged."""
        if not self._reads_events:
            return None
        floor = info.ack_floor.stream_seq if info.ack_floor else 0
        try:
            oldest = await call(js.get_msg(consumer.stream, floor + 1, subject=consumer.subject, next=True))
        except nats.js.errors.NotFoundError:  # acknowledged meanwhile, or expired
            return 0.0
        return max(0.0, (self._clock() - oldest.time).total_seconds()) if oldest.time else None
