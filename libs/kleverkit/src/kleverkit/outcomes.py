"""Decides the outcome of each delivery of a message: ack, retry after a pause, or one dead letter.

FastStream's own policies lose a message whose handler fails, or redeliver it within milliseconds (docs/adr/0004).
Therefore one middleware decides for all subscribers.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import nats.errors
import structlog
from faststream import BaseMiddleware
from faststream.message import StreamMessage
from faststream.nats.message import NatsMessage

from kleverproto.deadletters import DeadLettered
from kleverproto.envelope import InvalidEventError

from .errors import PermanentError
from .event_metrics import EventMetrics, Outcome

REMEMBERED = 10_000
"""Number of concluded messages that are recognized when they are redelivered."""
POISON = (InvalidEventError, PermanentError)
"""Errors for which a redelivery does not help."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential back-off with jitter.

    Attributes:
        delay: seconds before the second delivery.
        cap: longest pause in seconds.
    """

    delay: float = 0.25
    cap: float = 30.0

    def pause(self, deliveries: int) -> float:
        """Seconds to wait after this number of deliveries, with 10 % jitter against simultaneous retries."""
        bare = min(self.cap, self.delay * 2 ** min(deliveries - 1, 30))
        return float(bare * random.uniform(0.9, 1.1))  # noqa: S311 - jitter, not cryptography


@dataclass(frozen=True)
class Delivery:
    """The position and the delivery count of a message at its consumer."""

    stream: str
    consumer: str
    sequence: int
    subject: str
    stored_at: datetime
    count: int

    @property
    def message(self) -> tuple[str, str, int, datetime]:
        """The identity of a message, the same for each delivery; the time distinguishes recreated streams."""
        return self.stream, self.consumer, self.sequence, self.stored_at

    @classmethod
    def of(cls, message: NatsMessage) -> "Delivery":
        """Parse the reply subject that JetStream sets."""
        metadata = message.raw_message.metadata
        return cls(
            stream=metadata.stream or "",
            consumer=metadata.consumer or "",
            sequence=metadata.sequence.stream,
            subject=message.raw_message.subject,
            stored_at=metadata.timestamp,
            count=metadata.num_delivered or 1,
        )

    def dead_letter(self, reason: str, error: str) -> DeadLettered:
        """The event for operators."""
        return DeadLettered(
            stream=self.stream,
            sequence=self.sequence,
            subject=self.subject,
            consumer=self.consumer,
            deliveries=self.count,
            reason=reason,
            error=error,
        )


DeadLetterPublisher = Callable[[DeadLettered], Awaitable[None]]


class OutcomeMiddleware(BaseMiddleware):
    """Ends every delivery with exactly one outcome; subscribers use manual acknowledgement."""

    def __init__(self, msg: Any, /, *, context: Any, outcomes: "Outcomes") -> None:
        super().__init__(msg, context=context)
        self._outcomes = outcomes

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]) -> Any:
        """Run the handler; acknowledge the message, or decide by the error."""
        if not isinstance(msg, NatsMessage):  # an in-memory test broker has nothing to acknowledge
            return await call_next(msg)
        await self._outcomes.conclude(msg, call_next)
        return None


class Outcomes:
    """The policy of one service, as a FastStream middleware factory.

    Args:
        retry: pauses between deliveries.
        max_deliveries: returns the limit of deliveries of a consumer, by its name.
        dead_letter: publishes to the dead-letter stream; idempotent by stream, sequence and consumer.
        metrics: measures handlers and counts outcomes.
    """

    def __init__(
        self,
        *,
        retry: RetryPolicy,
        max_deliveries: Callable[[str], int],
        dead_letter: DeadLetterPublisher,
        metrics: EventMetrics,
    ) -> None:
        self._retry = retry
        self._max_deliveries = max_deliveries
        self._dead_letter = dead_letter
        self._metrics = metrics
        self._in_progress: set[tuple[str, str, int, datetime]] = set()
        self._concluded: dict[tuple[str, str, int, datetime], None] = {}

    def __call__(self, msg: Any, *, context: Any) -> OutcomeMiddleware:
        """Create the middleware of one message."""
        return OutcomeMiddleware(msg, context=context, outcomes=self)

    async def conclude(self, msg: NatsMessage, handle: Callable[[Any], Awaitable[Any]]) -> None:
        """Handle a message, and decide the outcome of its delivery."""
        delivery = Delivery.of(msg)
        if delivery.message in self._concluded:  # the acknowledgement was lost, or the consumer was recreated
            await _send(msg.ack, delivery)
        elif delivery.message in self._in_progress:  # the server missed heartbeats: the process was suspended
            log.info("redelivered while in progress", subject=delivery.subject, sequence=delivery.sequence)
        else:
            self._in_progress.add(delivery.message)
            try:
                await self._decide(msg, handle, delivery)
            finally:
                self._in_progress.discard(delivery.message)

    async def _decide(self, msg: NatsMessage, handle: Callable[[Any], Awaitable[Any]], delivery: Delivery) -> None:
        try:
            if self._is_exhausted(delivery, counting_this=False):
                # All earlier deliveries ended without a reply: the handler crashes the process. Do not retry.
                await self._give_up(msg, delivery, "exhausted", "every earlier delivery ended without a response")
                return
            with self._metrics.handling(delivery.consumer):
                await handle(msg)
        except POISON as error:
            await self._give_up(msg, delivery, "poison", _describe(error))
        except Exception as error:  # noqa: BLE001 - the only place that handles errors of handlers
            await self._retry_or_give_up(msg, delivery, error)
        else:
            self._metrics.concluded(delivery.consumer, Outcome.ACKNOWLEDGED)
            await self._end(msg.ack, delivery)

    def _is_exhausted(self, delivery: Delivery, *, counting_this: bool) -> bool:
        limit = self._max_deliveries(delivery.consumer)
        return delivery.count >= limit + (0 if counting_this else 1)

    async def _retry_or_give_up(self, msg: NatsMessage, delivery: Delivery, error: Exception) -> None:
        if self._is_exhausted(delivery, counting_this=True):
            await self._give_up(msg, delivery, "exhausted", _describe(error))
            return
        pause = self._retry.pause(delivery.count)
        log.warning(
            "message will be redelivered",
            subject=delivery.subject,
            deliveries=delivery.count,
            pause_seconds=round(pause, 3),
            error=_describe(error),
            exc_info=error,
        )
        self._metrics.concluded(delivery.consumer, Outcome.REDELIVERED)
        await _send(partial(msg.nack, delay=pause), delivery)

    async def _give_up(self, msg: NatsMessage, delivery: Delivery, reason: str, error: str) -> None:
        log.error("message dead-lettered", subject=delivery.subject, reason=reason, error=error)
        await self._dead_letter(delivery.dead_letter(reason, error))
        self._metrics.concluded(delivery.consumer, Outcome.DEAD_LETTERED)
        await self._end(msg.reject, delivery)

    async def _end(self, send: Callable[[], Awaitable[None]], delivery: Delivery) -> None:
        self._concluded[delivery.message] = None
        while len(self._concluded) > REMEMBERED:
            del self._concluded[next(iter(self._concluded))]
        await _send(send, delivery)


async def _send(send: Callable[[], Awaitable[None]], delivery: Delivery) -> None:
    """Send an acknowledgement. If that fails, the message is redelivered; the handler has not failed."""
    try:
        await send()
    except (nats.errors.Error, OSError) as error:
        log.warning("acknowledgement not sent", subject=delivery.subject, sequence=delivery.sequence, error=repr(error))


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
