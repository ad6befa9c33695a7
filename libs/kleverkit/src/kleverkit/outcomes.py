"""How each delivery of a message ends: ack, retry after a pause, or dead letter once.

FastStream's own policies lose a message whose handler raises, or deliver it again within milliseconds
(docs/adr/0004), so one middleware decides here for every subscriber.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from faststream import BaseMiddleware
from faststream.message import StreamMessage
from faststream.nats.message import NatsMessage

from kleverproto.deadletters import DeadLettered
from kleverproto.envelope import InvalidEventError

from .errors import PermanentError

POISON = (InvalidEventError, PermanentError)
"""What no further delivery can mend."""

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
        """Seconds to wait after so many deliveries; a tenth of jitter keeps a herd apart."""
        bare = min(self.cap, self.delay * 2 ** min(deliveries - 1, 30))
        return float(bare * random.uniform(0.9, 1.1))  # noqa: S311 - jitter, not cryptography


@dataclass(frozen=True)
class Delivery:
    """Where a message stands with its consumer."""

    stream: str
    consumer: str
    sequence: int
    subject: str
    count: int

    @classmethod
    def of(cls, message: NatsMessage) -> "Delivery":
        """Read it off the reply subject that JetStream sets."""
        metadata = message.raw_message.metadata
        return cls(
            stream=metadata.stream or "",
            consumer=metadata.consumer or "",
            sequence=metadata.sequence.stream,
            subject=message.raw_message.subject,
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
    """Ends every delivery in exactly one way; subscribers run with manual acknowledgement."""

    def __init__(self, msg: Any, /, *, context: Any, outcomes: "Outcomes") -> None:
        super().__init__(msg, context=context)
        self._outcomes = outcomes

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]) -> Any:
        """Run the handler under a heartbeat, then acknowledge or decide by the error."""
        if not isinstance(msg, NatsMessage):  # an in-memory test broker has nothing to acknowledge
            return await call_next(msg)
        await self._outcomes.conclude(msg, call_next)
        return None


class Outcomes:
    """The policy of one service, as a FastStream middleware factory.

    Args:
        retry: pauses between tries.
        max_deliveries: consumer name to the number of tries before a message is given up.
        dead_letter: publishes to the dead-letter stream; idempotent by stream, sequence and consumer.
        heartbeat_seconds: how often a running handler tells the server that it is alive.
    """

    def __init__(
        self,
        *,
        retry: RetryPolicy,
        max_deliveries: dict[str, int],
        dead_letter: DeadLetterPublisher,
        heartbeat_seconds: float = 10.0,
    ) -> None:
        self._retry = retry
        self._max_deliveries = max_deliveries
        self._dead_letter = dead_letter
        self._heartbeat_seconds = heartbeat_seconds

    def __call__(self, msg: Any, *, context: Any) -> OutcomeMiddleware:
        """Make the middleware of one message."""
        return OutcomeMiddleware(msg, context=context, outcomes=self)

    async def conclude(self, msg: NatsMessage, handle: Callable[[Any], Awaitable[Any]]) -> None:
        """Handle a message and end its delivery."""
        delivery = Delivery.of(msg)
        try:
            if self._is_exhausted(delivery, counting_this=False):
                # Earlier deliveries ended without a word: the handler takes its process down. Do not try again.
                await self._give_up(msg, delivery, "exhausted", "every earlier delivery ended without an answer")
                return
            async with _Heartbeat(msg, self._heartbeat_seconds):
                await handle(msg)
        except POISON as error:
            await self._give_up(msg, delivery, "poison", _describe(error))
        except Exception as error:  # noqa: BLE001 - the one place where a handler's failure is decided
            await self._again_or_give_up(msg, delivery, error)
        else:
            await msg.ack()

    def _is_exhausted(self, delivery: Delivery, *, counting_this: bool) -> bool:
        limit = self._max_deliveries.get(delivery.consumer, 8)
        return delivery.count >= limit + (0 if counting_this else 1)

    async def _again_or_give_up(self, msg: NatsMessage, delivery: Delivery, error: Exception) -> None:
        if self._is_exhausted(delivery, counting_this=True):
            await self._give_up(msg, delivery, "exhausted", _describe(error))
            return
        pause = self._retry.pause(delivery.count)
        log.warning(
            "message will be tried again",
            subject=delivery.subject,
            deliveries=delivery.count,
            pause_seconds=round(pause, 3),
            error=_describe(error),
            exc_info=error,
        )
        await msg.nack(delay=pause)

    async def _give_up(self, msg: NatsMessage, delivery: Delivery, reason: str, error: str) -> None:
        log.error("message dead-lettered", subject=delivery.subject, reason=reason, error=error)
        await self._dead_letter(delivery.dead_letter(reason, error))
        await msg.reject()


class _Heartbeat:
    """Tells the server that a message is in progress for as long as the block runs."""

    def __init__(self, msg: NatsMessage, seconds: float) -> None:
        self._msg = msg
        self._seconds = seconds

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._beat())

    async def __aexit__(self, *_exc: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await self._msg.in_progress()


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
