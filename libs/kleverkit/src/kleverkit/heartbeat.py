"""Keeps a message from being delivered again while it is worked on."""

import asyncio
from types import TracebackType

import structlog
from nats.aio.msg import Msg

from .tasks import cancel

log = structlog.get_logger(__name__)


class Heartbeat:
    """Reports a message as in progress, from its receipt until it is acknowledged or the block ends.

    A report that cannot be sent is no failure of the work: at worst the message is delivered again.

    Args:
        message: from JetStream.
        seconds: between two reports.
    """

    def __init__(self, message: Msg, seconds: float) -> None:
        self._message = message
        self._seconds = seconds

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._beat())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cancel([self._task])  # never raises what the task raised

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            if self._message.is_acked:
                return
            try:
                await self._message.in_progress()
            except Exception as error:  # noqa: BLE001 - the next one may get through
                log.warning("heartbeat not sent", subject=self._message.subject, error=repr(error))
