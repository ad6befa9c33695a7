"""Publishes the output of a running job as events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import structlog

from klever_jobrunner.ports import OnLine
from kleverkit.errors import TransientError
from kleverkit.publisher import EventPublisher
from kleverproto.documents import Intent
from kleverproto.envelope import EventSource
from kleverproto.jobs import JobDocument, JobLogged

log = structlog.get_logger(__name__)

BATCH = 200
"""Limit of lines in one event."""
LINE = 2000
"""Limit of characters in a line: 200 such lines fit into one NATS message."""


class Logbook:
    """Publishes the lines of jobs.

    Args:
        publisher: publishes events.
        events: creates events.
    """

    def __init__(self, publisher: EventPublisher, events: EventSource) -> None:
        self._publisher = publisher
        self._events = events

    @asynccontextmanager
    async def opened(self, cause: Intent, job: JobDocument) -> AsyncIterator[OnLine]:
        """Yield a function that takes lines; all lines are published when the block ends."""
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        writer = asyncio.create_task(self._write(cause, job, lines))
        try:
            yield lines.put_nowait
        finally:
            lines.put_nowait(None)
            await writer

    async def _write(self, cause: Intent, job: JobDocument, lines: asyncio.Queue[str | None]) -> None:
        number, opening = 0, uuid4().hex  # each attempt numbers its lines from 0, so its events need a unique prefix
        while batch := await _next(lines):
            data = JobLogged(id=job.id, lines=tuple(line[:LINE] for line in batch))
            event = self._events.caused_by_ids(cause.event_id, cause.correlation_id, data, opening, str(number))
            number += 1
            try:
                await self._publisher.publish(event)
            except TransientError as error:  # a job does not fail because its lines cannot be published
                log.warning(
                    "lines of a job not published, dropping them", job=job.id, lines=len(batch), error=str(error)
                )


async def _next(lines: asyncio.Queue[str | None]) -> list[str]:
    """All available lines, at least one; empty at the end."""
    batch: list[str] = []
    line = await lines.get()
    while line is not None:
        batch.append(line)
        if len(batch) == BATCH or lines.empty():
            return batch
        line = lines.get_nowait()
    lines.put_nowait(None)
    return batch
