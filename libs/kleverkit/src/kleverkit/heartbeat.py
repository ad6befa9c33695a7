"""Prevents the redelivery of a message while it is processed."""

import asyncio
from types import TracebackType

import structlog
from nats.aio.msg import Msg

from .tasks import cancel

log = structlog.get_logger(__name__)


class Heartbeat:
    """Reports a message as in progress, from its receipt until it is acknowledged or the block ends.

    A failed report does not fail the handler: at worst the message is redelivered.

    Args:
        message: a message from JetStream.
        seconds: interval between two reports.
    """

    def __init__(self, message: Msg, seconds: float) -> None:
        self._message = message
        self._seconds = seconds

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._beat())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cancel([self._task])  # does not raise the task's exception

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            if self._message.is_acked:
                return
            try:
                await self._message.in_progress()
            except Exception as error:  # noqa: BLE001 - the next report may succeed
                log.warning("heartbeat not sent", subject=self._message.subject, error=repr(error))
