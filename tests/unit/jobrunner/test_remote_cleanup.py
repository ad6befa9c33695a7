"""Runs outside the jobrunner end when their document proves that they are obsolete."""

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest

from klever_jobrunner.domain import life
from klever_jobrunner.domain.life import Tomb
from klever_jobrunner.ports import RemoteRun
from klever_jobrunner.service.ledger import Ledger
from klever_jobrunner.service.remote_cleanup import RemoteCleanup
from klever_jobrunner.settings import JobrunnerSettings
from kleverkit.errors import TransientError
from kleverproto.envelope import EventSource
from kleverproto.jobs import JobDocument, JobPhase
from support.jobs import NOW, Runner, request
from support.waiting import eventually


class Runs:
    """See `ports.RemoteRuns`."""

    def __init__(self, *runs: RemoteRun) -> None:
        self.present = list(runs)
        self.errors: list[Exception] = []

    def runs(self) -> Collection[RemoteRun]:
        return tuple(self.present)

    async def remove(self, run: RemoteRun) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.present.remove(run)


def cleanup_of(runner: Runner, runs: Runs, *, pause: float = 60.0) -> RemoteCleanup:
    ledger = Ledger(runner.documents, runner.publisher, EventSource("jobrunner"), lambda: NOW)
    return RemoteCleanup(ledger, runner.monitor, runs, pause=pause)


def document(phase: JobPhase, generation: int = 1) -> JobDocument:
    asked = request()
    job = life.never_run(asked, NOW)
    return job.replace(generation=generation, status=job.status.replace(phase=phase))


@pytest.mark.parametrize(
    ("known", "is_active", "is_obsolete"),
    [
        (None, True, False),
        (document(JobPhase.RUNNING), True, False),
        (document(JobPhase.PENDING), True, False),
        (document(JobPhase.CANCELLED), True, True),
        (document(JobPhase.FAILED), True, True),
        (document(JobPhase.SUCCEEDED), False, False),
        (document(JobPhase.RUNNING, generation=2), True, True),
        (document(JobPhase.CANCELLED, generation=2), False, False),
        (Tomb(document=document(JobPhase.SUCCEEDED), deleted_at=NOW), False, True),
        (Tomb(deleted_at=NOW), True, True),
    ],
)
def test_run_is_obsolete_if_its_job_ended_otherwise(
    known: JobDocument | Tomb | None, *, is_active: bool, is_obsolete: bool
) -> None:
    assert life.is_obsolete(known, 1, is_active=is_active) is is_obsolete


def test_run_of_a_newer_generation_than_a_restored_document_is_kept() -> None:
    assert not life.is_obsolete(document(JobPhase.FAILED), 2, is_active=True)
    assert not life.is_obsolete(Tomb(document=document(JobPhase.FAILED), deleted_at=NOW), 2, is_active=True)


async def test_run_without_a_document_is_kept(tmp_path: Path) -> None:
    runs = Runs(RemoteRun("job-1", 1))
    await cleanup_of(Runner(tmp_path), runs).end_obsolete_runs()
    assert runs.present


async def test_run_of_a_cancelled_job_is_ended_at_once(tmp_path: Path) -> None:
    runner, runs = Runner(tmp_path), Runs(RemoteRun("job-1", 1))
    runner.follow()
    loop = asyncio.create_task(cleanup_of(runner, runs).run())
    await runner.cancel(1)

    async def is_ended() -> bool:
        return not runs.present

    await eventually(is_ended, within=10)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    await runner.kill()


async def test_run_that_cannot_be_ended_now_does_not_keep_others(tmp_path: Path) -> None:
    runner, runs = Runner(tmp_path), Runs(RemoteRun("job-1", 1), RemoteRun("job-2", 1))
    runs.errors.append(TransientError("the cluster does not respond"))
    for number, name in enumerate(("job-1", "job-2"), start=1):
        await runner.cancel(number, name)
    cleanup = cleanup_of(runner, runs)
    await cleanup.end_obsolete_runs()
    assert runs.present == [RemoteRun("job-1", 1)]
    await cleanup.end_obsolete_runs()
    assert runs.present == []


def test_extraction_in_pods_requires_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KLEVER_JOBRUNNER_BACKEND", raising=False)
    with pytest.raises(ValueError, match="KLEVER_JOBRUNNER_BACKEND=kubernetes"):
        JobrunnerSettings(extract="job")
    assert JobrunnerSettings(extract="job", backend="kubernetes").extract == "job"
