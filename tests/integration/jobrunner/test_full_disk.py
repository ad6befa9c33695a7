"""A disk that fills up under a running jobrunner: its jobs wait, and resume once there is space."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from klever_jobrunner.adapters.disk import Disk
from klever_jobrunner.ports import OnLine
from kleverproto.jobs import JobDocument, JobKind, JobPhase, JobRequested, JobResult
from plugins.fix_disks import SmallDisk, fill
from support.jobs_service import JobsService, running_jobrunner, spec_and_id
from support.waiting import eventually

SIZE = 4 * 1024 * 1024


class Writing:
    """An operation that needs some space."""

    async def run_job(self, job: JobDocument, scratch: Path, on_line: OnLine) -> JobResult:
        """See `ports.Operation`."""
        (scratch / "model").write_bytes(bytes(SIZE // 2))
        on_line(f"written for {job.id}")
        return JobResult()


@pytest.fixture
def directory(small_disk: SmallDisk) -> Path:
    return small_disk(SIZE)


@pytest.fixture
async def service(directory: Path, nats_url: str) -> AsyncIterator[JobsService]:
    operations = {JobKind.SCAN: Writing()}
    async with running_jobrunner(
        nats_url, directory / "scratch", operations, shortage=Disk((directory,)).shortage
    ) as running:
        yield running


async def test_jobs_wait_for_space_and_none_fails(service: JobsService, directory: Path) -> None:
    filler = fill(directory)
    wanted = spec_and_id(JobKind.SCAN, 1)
    await service.publish(JobRequested(**wanted), "request")

    async def waits() -> bool:
        stored = await service.documents.get(str(wanted["id"]))
        problem = stored.document.status.problem if stored else None
        return problem is not None and problem.code == "disk_full"

    await eventually(waits)
    assert await service.phases() == {wanted["id"]: JobPhase.PENDING}
    filler.unlink()

    async def is_done() -> bool:
        return await service.phases() == {wanted["id"]: JobPhase.SUCCEEDED}

    await eventually(is_done)
    assert list((directory / "scratch").iterdir()) == []
