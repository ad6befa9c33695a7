"""Pulls messages from a durable consumer and delivers them to FastStream (docs/adr/0019).

FastStream's own loop ignores errors and retries immediately, even without suspending once the connection is closed. It
also fetches messages that wait for busy handlers while their ack wait expires.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import nats.errors
import nats.js.errors
import structlog
from faststream.nats.subscriber.usecases import PullStreamSubscriber
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from kleverproto.streams import ConsumerSpec

from .heartbeat import Heartbeat
from .repeats import Repeats

log = structlog.get_logger(__name__)

FETCH_SECONDS = 2.0
"""Longest wait of one fetch; also the time in which a request that was lost with its connection is detected."""
PAUSE_SECONDS = 0.5
"""Pause after a refused fetch."""
CANCEL_SECONDS = 2.0
"""Time that a cancelled handler has for its cleanup."""
HEARTBEATS_PER_ACK_WAIT = 3
"""Two progress reports may be lost before a message is redelivered."""

Sleep = Callable[[float], Awaitable[None]]


class Pull:
    """Delivers the messages of one consumer, up to its concurrency limit, each with a heartbeat from its receipt.

    It takes the place of FastStream's subscription, so that FastStream does not start its own loop.

    Args:
        subscriber: handles messages, with its middlewares.
        consumer: the consumer.
        clock: monotonic seconds.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        subscriber: PullStreamSubscriber,
        consumer: ConsumerSpec,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.consumer = consumer
        self.on_refusal: Callable[[], None] = lambda: None
        """Called when the server refuses a fetch, since the consumer may have been deleted."""
        self.problem: str | None = f"{consumer.durable} has not started to receive messages"
        """The problem of the last fetch, as a sentence, or None."""
        self._subscriber = subscriber
        self._slots = asyncio.Semaphore(consumer.concurrency)
        self._working: set[asyncio.Task[None]] = set()
        self._repeats = Repeats()
        self._clock = clock
        self._sleep = sleep

    async def run(self, client: Client) -> None:
        """Pull messages until cancelled."""
        self.problem = None
        subscription = await client.jetstream().pull_subscribe_bind(
            stream=self.consumer.stream, durable=self.consumer.durable
        )
        try:
            while True:
                await self.take(subscription)
        finally:
            with suppress(nats.errors.Error, OSError):
                await subscription.unsubscribe()

    async def take(self, subscription: JetStreamContext.PullSubscription) -> None:
        """Start to handle one message, as soon as there is a free slot and a message."""
        await self._slots.acquire()
        try:
            message = await self._next(subscription)
        except BaseException:
            self._slots.release()
            raise
        task = asyncio.create_task(self._handle(message))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def finish(self, within: float) -> None:
        """Wait for messages in progress; those that take longer are cancelled, and redelivered after their ack wait."""
        if self._working:
            _, late = await asyncio.wait(set(self._working), timeout=within)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=CANCEL_SECONDS)

    async def unsubscribe(self) -> None:
        """Called by FastStream when it stops a subscriber, after `run` was cancelled."""

    async def _next(self, subscription: JetStreamContext.PullSubscription) -> Msg:
        while True:
            asked = self._clock()
            try:
                messages = await subscription.fetch(1, timeout=FETCH_SECONDS)
            except TimeoutError:
                self.problem = None
            except (nats.errors.Error, OSError) as error:
                self._refused(error)
            else:
                self.problem = None
                return messages[0]
            if self._clock() - asked < PAUSE_SECONDS:  # nats-py reports some refusals as timeouts
                self.on_refusal()
                await self._sleep(PAUSE_SECONDS)

    async def _handle(self, message: Msg) -> None:
        try:
            async with Heartbeat(message, self.consumer.ack_wait.total_seconds() / HEARTBEATS_PER_ACK_WAIT):
                await self._subscriber.consume(message)
        finally:
            self._slots.release()

    def _refused(self, error: Exception) -> None:
        gone = isinstance(error, nats.js.errors.ServiceUnavailableError)
        reason = "the consumer is not there" if gone else str(error) or type(error).__name__
        self.problem = f"{self.consumer.durable} receives no messages: {reason}"
        if self._repeats.is_new(reason):
            log.warning("no messages", consumer=self.consumer.durable, error=reason)
