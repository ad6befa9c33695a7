"""Processes that outlive the deployer: recognised again, and stopped with their children."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from klever_deployer.adapters.local import processes
from klever_deployer.adapters.local.processes import ProcessRecord
from support.clock import wall_clock_set
from support.waiting import eventually

IDLE = "import signal; signal.pause()"
WITH_WORKERS = """
import signal, subprocess, sys
for detached in (False, True):
    subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=detached)
signal.pause()
"""
"""A server with two worker processes, one in a separate session."""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for stranger in processes.unrecorded(tmp_path, []):
        psutil.Process(stranger.pid).kill()


def spawn(owner: Path, code: str) -> ProcessRecord:
    command, environment = (sys.executable, "-c", code), {"PATH": os.environ["PATH"]}
    return processes.spawn(command, log=owner / "server.log", owner=owner, port=1, env=environment)


async def workers(record: ProcessRecord) -> list[psutil.Process]:
    """Return its two workers once they run their program."""

    async def both() -> list[psutil.Process]:
        children = psutil.Process(record.pid).children()
        return children if [len(child.cmdline()) for child in children] == [3, 3] else []

    return await eventually(both)


def running(candidates: list[psutil.Process]) -> list[bool]:
    return [process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in candidates]


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux does the start of a process move with the clock")
async def test_a_process_is_found_after_the_wall_clock_changed(owner: Path) -> None:
    record = spawn(owner, IDLE)
    record.write(owner / "record.json")
    began = psutil.Process(record.pid).create_time()
    with wall_clock_set(1, owner / "proc"):
        assert psutil.Process(record.pid).create_time() == began + 1
        assert ProcessRecord.read(owner / "record.json") == record
        assert record.find() is not None
        assert processes.unrecorded(owner, [record]) == []
    await processes.stop(record, grace_seconds=5.0)
    assert record.find() is None


async def test_the_workers_of_a_running_server_are_not_strays(owner: Path) -> None:
    record = spawn(owner, WITH_WORKERS)
    children = await workers(record)
    assert processes.unrecorded(owner, [record]) == []
    assert {stranger.pid for stranger in processes.unrecorded(owner, [])} == {
        record.pid,
        *(each.pid for each in children),
    }
    psutil.Process(record.pid).kill()
    await processes.wait_for_exit(record)
    assert {stranger.pid for stranger in processes.unrecorded(owner, [record])} == {each.pid for each in children}


async def test_the_workers_of_a_server_exit_with_it(owner: Path) -> None:
    record = spawn(owner, WITH_WORKERS)
    children = await workers(record)
    bystander = spawn(owner, IDLE)
    await processes.stop(record, grace_seconds=5.0)

    async def have_ended() -> bool:
        return running(children).count(True) == 1  # the next deployer finds the worker that left the session

    await eventually(have_ended)
    assert bystander.find() is not None


async def test_waiting_for_a_process_whose_id_was_reused_returns_at_once(owner: Path) -> None:
    record = spawn(owner, IDLE)
    other = ProcessRecord(record.pid, "of an earlier boot:1", 1)
    assert other.find() is None
    await processes.wait_for_exit(other)
    await processes.stop(other, grace_seconds=5.0)
    assert record.find() is not None
