"""A full disk: jobs wait and give the reason, and no half-written file counts."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from klever_jobrunner.adapters.disk import Disk, Space
from klever_jobrunner.adapters.home import claim_home
from klever_jobrunner.adapters.toolchain_converter import ToolchainConverter
from klever_jobrunner.domain.life import MAX_ATTEMPTS
from klever_jobrunner.errors import DISK_FULL
from klever_jobrunner.ports import ConversionSource
from kleverkit.errors import TransientError
from kleverproto.conversions import Conversion
from kleverproto.jobs import JobPhase
from kleverproto.signatures import Signature
from kleversandbox.support import Confinement, Support
from modelconversion.execution import Limits
from modelconversion.toolchains.store import ToolchainStore
from support.jobs import Runner, request
from support.model_files import write

GIBI, MEBI = 2**30, 2**20


async def test_no_job_starts_or_fails_on_a_full_disk(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    runner.shortage = "the disk is full"
    for _ in range(MAX_ATTEMPTS + 1):
        with pytest.raises(TransientError, match="the disk is full"):
            await runner.jobs.run(request())
    waiting = (await runner.job()).status
    assert waiting.problem is not None
    assert (waiting.phase, waiting.attempts, waiting.problem.code) == (JobPhase.PENDING, 0, DISK_FULL)
    runner.shortage = None
    await runner.jobs.run(request())
    done = (await runner.job()).status
    assert (done.phase, done.problem) == (JobPhase.SUCCEEDED, None)


async def test_the_job_of_a_killed_process_waits_too(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    runner.executor.gate.clear()
    work = runner.start(request())
    await runner.executor.started.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    again = Runner(tmp_path, runner.documents)
    again.shortage = "the disk is full"
    with pytest.raises(TransientError, match="the disk is full"):
        await again.jobs.run(request())
    assert await again.is_in(JobPhase.PENDING)
    assert again.executor.calls == []


async def test_a_completed_job_is_announced_even_on_a_full_disk(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    await runner.jobs.run(request(1))
    runner.shortage = "the disk is full"
    await runner.jobs.run(request(2))
    assert runner.published() == ["JobStarted", "JobCompleted", "JobCompleted"]


async def test_a_disk_that_fills_up_during_a_job_is_not_an_error_of_the_model(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    runner.source.errors = [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) for _ in range(MAX_ATTEMPTS)]
    with pytest.raises(TransientError, match="no space is left"):
        await runner.jobs.run(request())
    assert await runner.is_in(JobPhase.PENDING)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - an async test
    for _ in range(MAX_ATTEMPTS - 2):
        with pytest.raises(TransientError):
            await runner.jobs.run(request())
    await runner.jobs.run(request())
    problem = (await runner.job()).status.problem
    assert problem is not None
    assert problem.code == DISK_FULL  # a job that needs more space than there is is not retried for ever
    await runner.jobs.run(request(2))
    assert await runner.is_in(JobPhase.SUCCEEDED)


async def test_a_converter_without_space_is_retried(tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'No space left on device (os error 28)'\nexit 2\n")
    uv.chmod(0o755)
    converter = ToolchainConverter(
        ToolchainStore(tmp_path / "toolchains", uv=str(uv)), Limits(), Confinement(Support())
    )
    (tmp_path / "made").mkdir()
    source = ConversionSource(write(tmp_path / "model", "model.pkl", b""), "SKLearn", Signature())
    with pytest.raises(TransientError, match="No space left") as failure:
        await converter.convert(source, Conversion(to="ONNX"), tmp_path / "made", print)
    assert failure.value.code == DISK_FULL


@pytest.mark.parametrize(
    ("space", "says"),
    [
        pytest.param(Space(100 * GIBI, 63 * MEBI), "63.0 MB are free", id="full"),
        pytest.param(Space(100 * GIBI, 65 * MEBI), None, id="enough"),
        pytest.param(Space(100 * MEBI, 10 * MEBI), None, id="a small disk"),
        pytest.param(Space(100 * MEBI, 4 * MEBI), "4.0 MB are free", id="a small disk that is full"),
        pytest.param(Space(100 * GIBI, 65 * MEBI, is_read_only=True), "is read-only", id="read-only"),
    ],
)
async def test_readiness_names_the_full_disk(tmp_path: Path, space: Space, says: str | None) -> None:
    looked_at: list[Path] = []

    def look(path: Path) -> Space:
        looked_at.append(path)
        return space

    problem = await Disk((tmp_path / "not" / "there" / "yet",), look).check()
    assert looked_at == [tmp_path]
    assert (says in problem and str(tmp_path) in problem) if says and problem else problem == says


async def test_the_real_disk_is_measured(tmp_path: Path) -> None:
    assert await Disk((tmp_path,)).check() is None


def test_jobrunners_that_share_a_directory_have_their_own_names_and_scratch_directories(tmp_path: Path) -> None:
    first, second = claim_home(tmp_path), claim_home(tmp_path)
    assert first.name != second.name
    assert first.scratch != second.scratch


def test_the_next_process_has_the_name_of_the_previous_one(tmp_path: Path) -> None:
    first, second = claim_home(tmp_path), claim_home(tmp_path)
    first.release()
    assert claim_home(tmp_path).name == first.name
    second.release()
    assert claim_home(tmp_path).name == second.name


def test_a_jobrunner_that_cannot_store_its_name_has_one_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    assert claim_home(tmp_path / "file" / "home").name
