"""The requests that this process is handling, so that a cancellation finds them from the first moment on."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from klever_jobrunner.domain.life import Known, is_heard
from klever_jobrunner.domain.requests import Request
from kleverproto.jobs import JobDocument


class Run:
    """One request, from its arrival until its job has ended."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.is_stopped = False
        self._task: asyncio.Task[JobDocument] | None = None

    async def carry_out(self, work: Coroutine[Any, Any, JobDocument]) -> JobDocument | None:
        """Wait for the work; None where the run was stopped. Where the caller is cancelled, the work is too."""
        self._task = asyncio.create_task(work)
        try:
            return await self._task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if not self.is_stopped or (caller and caller.cancelling()):
                raise
            return None

    def stop(self) -> None:
        """Cancel the work."""
        self.is_stopped = True
        if self._task:
            self._task.cancel()


class Runs:
    """The runs of this process, by job."""

    def __init__(self) -> None:
        self._runs: dict[str, set[Run]] = {}

    @contextmanager
    def registered(self, run: Run) -> Iterator[None]:
        """Let the run be found for the length of the block."""
        runs = self._runs.setdefault(run.request.job, set())
        runs.add(run)
        try:
            yield
        finally:
            runs.discard(run)
            if not runs:
                self._runs.pop(run.request.job, None)

    def stop(self, job: str, known: Known) -> None:
        """Stop the runs of a job that was cancelled or deleted; not those that ask for it anew after that."""
        for run in tuple(self._runs.get(job, ())):
            if is_heard(known, run.request):
                run.stop()
