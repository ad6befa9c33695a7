"""Kills before any write, repetitions, and messages in any order: the newest message counts, and each has its event."""

import random
from pathlib import Path

import pytest

from klever_jobrunner.domain.life import MAX_ATTEMPTS
from kleverkit.errors import TransientError
from kleverproto.jobs import JobDocument, JobPhase
from support.crashes import Crash, CrashError, CrashingDocuments, CrashingPublisher
from support.jobs import Runner, request

OUTCOMES = ("JobCompleted", "JobFailed", "JobCancelled")
KINDS = ("run", "run", "cancel", "delete")


class Life:
    """Messages about one job, handled by processes that are killed."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.directory = directory
        self.crash = Crash()
        self.documents = CrashingDocuments[JobDocument](self.crash)
        self.publisher = CrashingPublisher(self.crash)
        self.kills_left = MAX_ATTEMPTS - 2
        self.messages = [(self.random.choice(KINDS), place) for place in range(1, self.random.randint(2, 6))]
        self.runner = self.start()

    def start(self) -> Runner:
        """Start a new process."""
        return Runner(self.directory, self.documents, self.publisher)

    async def deliver_all(self) -> None:
        """Deliver the messages until each is acknowledged, and start a last process."""
        queue = [*self.messages]
        while queue:
            message = self.random.choice(queue)
            if await self._is_handled(message) and self.random.random() < 0.7:
                queue.remove(message)
        await self.start().deletions.repair()

    async def _is_handled(self, message: tuple[str, int]) -> bool:
        if self.kills_left and self.random.random() < 0.6:
            self.crash.after(self.random.randint(0, 6))
        try:
            await self._handle(*message)
        except (CrashError, TransientError):
            handled = False
        else:
            handled = True
        if self.crash.restart():
            self.kills_left -= 1
            self.runner = self.start()
        return handled

    async def _handle(self, kind: str, place: int) -> None:
        if kind == "run":
            await self.runner.jobs.run(request(place, again=True))
        else:
            await getattr(self.runner, kind)(place)


@pytest.mark.parametrize("seed", range(200))
async def test_no_job_is_lost_and_no_deleted_job_returns(tmp_path: Path, seed: int) -> None:
    life = Life(tmp_path, seed)
    await life.deliver_all()
    newest, place = life.messages[-1]
    phase, causes = await life.runner.phase(), life.runner.causes()
    match newest:
        case "run":
            assert phase is JobPhase.SUCCEEDED
        case "delete":
            assert phase is None
            assert ("JobDeleted", f"delete-{place}") in causes
        case _:
            was_deleted = any(kind == "delete" for kind, _ in life.messages)
            assert phase in {JobPhase.CANCELLED, JobPhase.SUCCEEDED} or (phase is None and was_deleted)
    for kind, place in life.messages:
        if kind == "run":
            assert any((outcome, f"event-{place}") in causes for outcome in OUTCOMES)
