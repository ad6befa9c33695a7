"""The active deployer of a home among several, and the last one."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from klever_deployer.adapters.local.home_lock import HomeLock
from support.waiting import others

HOLD = """
import asyncio, sys
from pathlib import Path
from klever_deployer.adapters.local.home_lock import HomeLock

async def hold():
    async with HomeLock(Path(sys.argv[1])).exclusive():
        print("held", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""


async def test_a_second_deployer_waits_until_the_first_releases_the_lock(tmp_path: Path) -> None:
    entered = asyncio.Event()

    async def second() -> None:
        async with HomeLock(tmp_path).exclusive():
            entered.set()

    async with HomeLock(tmp_path).exclusive():
        waiting = asyncio.create_task(second())
        await others()
        assert not entered.is_set()
    await asyncio.wait_for(waiting, 10)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the lock of the home."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


async def test_a_former_leader_that_does_not_release_the_lock_is_killed(
    tmp_path: Path, holder: subprocess.Popen[bytes]
) -> None:
    """The former leader hangs or was suspended, and would act on the home when it resumes."""
    holder.send_signal(signal.SIGSTOP)
    async with HomeLock(tmp_path, patience=0.1).exclusive():
        assert holder.wait(10) == -signal.SIGKILL


async def test_the_lock_of_a_killed_deployer_is_free_at_once(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    async with HomeLock(tmp_path, patience=60.0).exclusive():
        pass


def test_only_the_last_deployer_of_a_home_is_the_last(tmp_path: Path) -> None:
    first, second = HomeLock(tmp_path), HomeLock(tmp_path)
    first.join()
    second.join()
    with first.leave() as is_last:
        assert not is_last
    with second.leave() as is_last:
        assert is_last


def test_a_deployer_that_never_joined_is_not_the_last(tmp_path: Path) -> None:
    with HomeLock(tmp_path).leave() as is_last:
        assert not is_last
