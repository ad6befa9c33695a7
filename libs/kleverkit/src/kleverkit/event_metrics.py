"""Metrics of events that a service handles and publishes.

FastStream's own metrics have the subjects of messages as labels, which contain the names of models: their number is
unlimited. Here, events are counted by consumer and by type (docs/adr/0046).
"""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from faststream import BaseMiddleware, PublishCommand
from prometheus_client import CollectorRegistry

from kleverproto.catalogue import EVENT_TYPES
from kleverproto.metrics import EVENT_OUTCOMES, EVENTS_PUBLISHED, HANDLER_DURATION

from .metrics import counter, histogram, observe

TYPE_HEADER = "ce-type"
OTHER = "_OTHER"
"""The value of OpenTelemetry for values that are not in a list of known ones."""
_TYPES = frozenset(event.type for event in EVENT_TYPES)


class Outcome(StrEnum):
    """Outcomes of a delivery."""

    ACKNOWLEDGED = "acknowledged"
    REDELIVERED = "redelivered"
    DEAD_LETTERED = "dead_lettered"


class EventMetrics:
    """The metrics of events; also a FastStream middleware factory, which counts published events.

    Args:
        registry: the registry of the service's metrics.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._duration = histogram(HANDLER_DURATION, registry)
        self._outcomes = counter(EVENT_OUTCOMES, registry)
        self._published = counter(EVENTS_PUBLISHED, registry)

    def __call__(self, msg: Any, *, context: Any) -> "PublishedMiddleware":
        """Create the middleware of one message."""
        return PublishedMiddleware(msg, context=context, metrics=self)

    def prepare(self, consumer: str) -> None:
        """Export the outcomes of a consumer as 0, so that the first one is an increase."""
        for outcome in Outcome:
            self._outcomes.labels(consumer, outcome)

    @contextmanager
    def handling(self, consumer: str) -> Iterator[None]:
        """Measure the handling of an event, which is the block."""
        began, error_type = time.perf_counter(), ""
        try:
            yield
        except BaseException as error:
            error_type = type(error).__name__
            raise
        finally:
            observe(self._duration.labels(consumer, error_type), time.perf_counter() - began)

    def concluded(self, consumer: str, outcome: Outcome) -> None:
        """Count the outcome of a delivery."""
        self._outcomes.labels(consumer, outcome).inc()

    def published(self, event_type: str, error: BaseException | None) -> None:
        """Count an event that was published, or could not be."""
        known = event_type if event_type in _TYPES else OTHER
        self._published.labels(known, type(error).__name__ if error else "").inc()


class PublishedMiddleware(BaseMiddleware):
    """Counts published events by type."""

    def __init__(self, msg: Any, /, *, context: Any, metrics: EventMetrics) -> None:
        super().__init__(msg, context=context)
        self._metrics = metrics

    async def publish_scope(self, call_next: Callable[[Any], Awaitable[Any]], cmd: PublishCommand) -> Any:
        """Publish the event."""
        event_type = (cmd.headers or {}).get(TYPE_HEADER, "")
        try:
            result = await call_next(cmd)
        except BaseException as error:
            self._metrics.published(event_type, error)
            raise
        self._metrics.published(event_type, None)
        return result
