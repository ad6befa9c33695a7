"""The requests that this process is handling, by job."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from klever_jobrunner.domain.life import Known, has_newer_request
from klever_jobrunner.domain.requests import Request
from kleverproto.jobs import JobDocument, JobPhase
from kleverproto.subjects import escape

if TYPE_CHECKING:
    from .slots import Turn


class Run:
    """One request, from its arrival until its job has ended.

    Args:
        request: the request.
        is_adopted: the request was delivered to another jobrunner, which waits for the job to end.
    """

    def __init__(self, request: Request, *, is_adopted: bool = False) -> None:
        self.request = request
        self.is_adopted = is_adopted
        self.has_begun = False
        """True once this process has claimed the job."""
        self.is_stopped = False
        self.turn: Turn | None = None
        """Set while the job waits for a slot."""
        self._task: asyncio.Task[JobDocument | None] | None = None

    async def execute(self, attempt: Coroutine[Any, Any, JobDocument | None]) -> JobDocument | None:
        """Run the attempt and return the job; None if the run was stopped. A cancelled caller cancels the attempt."""
        self._task = asyncio.create_task(attempt)
        try:
            return await self._task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if not self.is_stopped or (caller and caller.cancelling()):
                raise
            return None

    def on_started_elsewhere(self) -> None:
        """Stop the run because another jobrunner has started the job, or let it wait for the outcome without a slot."""
        if self.is_adopted:
            self.stop()
        elif self.turn is not None and not self.turn.done():
            self.turn.set_result(False)

    def stop(self) -> None:
        """Cancel the attempt."""
        self.is_stopped = True
        if self._task:
            self._task.cancel()


class Runs:
    """The runs of this process. Writes of the documents, by any process, stop them.

    Args:
        runner: the name of this jobrunner.
    """

    def __init__(self, runner: str) -> None:
        self._runner = runner
        self._runs: dict[str, set[Run]] = {}

    @contextmanager
    def registered(self, run: Run) -> Iterator[None]:
        """Register the run while the block runs."""
        key = escape(run.request.job)
        runs = self._runs.setdefault(key, set())
        runs.add(run)
        try:
            yield
        finally:
            runs.discard(run)
            if not runs:
                self._runs.pop(key, None)

    def has(self, job: str) -> bool:
        """Return whether this process is handling a request for a job."""
        return escape(job) in self._runs

    def on_write(self, key: str, known: Known) -> None:
        """Stop runs that a write has made obsolete.

        These are the runs of a job that was cancelled or deleted, except those that were requested later. If another
        jobrunner has started the job, its runs here no longer wait for a slot.
        """
        for run in tuple(self._runs.get(key, ())):
            if _is_withdrawn(known, run.request):
                run.stop()
            elif not run.has_begun and self._is_run_elsewhere(known):
                run.on_started_elsewhere()

    def _is_run_elsewhere(self, known: Known) -> bool:
        if not isinstance(known, JobDocument) or known.status.phase.is_final:
            return True
        return known.status.phase is JobPhase.RUNNING and known.status.runner != self._runner


def _is_withdrawn(known: Known, request: Request) -> bool:
    is_withdrawn = not isinstance(known, JobDocument) or known.status.phase is JobPhase.CANCELLED
    return is_withdrawn and has_newer_request(known, request)
