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
        request: what is requested.
        is_adopted: the request was delivered to another jobrunner, which waits for the job to end.
    """

    def __init__(self, request: Request, *, is_adopted: bool = False) -> None:
        self.request = request
        self.is_adopted = is_adopted
        self.has_begun = False
        """Whether this process has claimed the job."""
        self.is_stopped = False
        self.turn: Turn | None = None
        """Set while the job waits for a slot."""
        self._task: asyncio.Task[JobDocument | None] | None = None

    async def carry_out(self, attempt: Coroutine[Any, Any, JobDocument | None]) -> JobDocument | None:
        """Wait for the job; None where the run was stopped. Where the caller is cancelled, the attempt is too."""
        self._task = asyncio.create_task(attempt)
        try:
            return await self._task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if not self.is_stopped or (caller and caller.cancelling()):
                raise
            return None

    def give_way(self) -> None:
        """Another jobrunner has begun the job: end the run, or let it wait for the outcome without a slot."""
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
    """The runs of this process. They are stopped by what the documents say, whoever has written it.

    Args:
        runner: the name of this jobrunner.
    """

    def __init__(self, runner: str) -> None:
        self._runner = runner
        self._runs: dict[str, set[Run]] = {}

    @contextmanager
    def registered(self, run: Run) -> Iterator[None]:
        """Let the run be found for the length of the block."""
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
        """Whether this process is handling a request for a job."""
        return escape(job) in self._runs

    def on_write(self, key: str, known: Known) -> None:
        """Stop what a write has made pointless.

        Those are the runs of a job that was cancelled or deleted, but not the ones that were requested after that.
        Where another jobrunner was quicker to begin the job, none waits for a slot any more.
        """
        for run in tuple(self._runs.get(key, ())):
            if _is_withdrawn(known, run.request):
                run.stop()
            elif not run.has_begun and self._is_run_elsewhere(known):
                run.give_way()

    def _is_run_elsewhere(self, known: Known) -> bool:
        if not isinstance(known, JobDocument) or known.status.phase.is_final:
            return True
        return known.status.phase is JobPhase.RUNNING and known.status.runner != self._runner


def _is_withdrawn(known: Known, request: Request) -> bool:
    is_withdrawn = not isinstance(known, JobDocument) or known.status.phase is JobPhase.CANCELLED
    return is_withdrawn and has_newer_request(known, request)
