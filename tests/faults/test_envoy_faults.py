"""A real Envoy that is killed, suspended, or loses its files, while clients send requests."""

import asyncio
import json
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from klever_deployer.adapters.local import processes
from klever_deployer.adapters.local.envoy import Envoy
from klever_deployer.adapters.local.processes import ProcessRecord
from klever_deployer.errors import DataPlaneError
from support.data_planes import Bench, behind_envoy, route, running, upstreams
from support.processes import free_port
from support.waiting import eventually

REQUEST = b"GET /seldon/default/iris/v2/models/iris/infer HTTP/1.1\r\nhost: ingress\r\n\r\n"
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets another process hold the port")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
async def envoy(tmp_path: Path, port: int) -> AsyncIterator[Bench]:
    async with behind_envoy(tmp_path, port) as bench:
        yield bench


@pytest.fixture
async def served(envoy: Bench) -> AsyncIterator[None]:
    async with upstreams("v1") as (v1,):
        await envoy.data_plane.apply(route((v1, 100)))
        yield


def process(directory: Path) -> psutil.Process:
    return psutil.Process(json.loads((directory / "envoy.json").read_text())["pid"])


async def kill(directory: Path) -> None:
    """Kill Envoy, and return once the last of its threads has released the port."""
    record = ProcessRecord.read(directory / "envoy.json")
    assert record is not None
    psutil.Process(record.pid).kill()
    await processes.wait_for_exit(record)


async def answer(port: int) -> bytes:
    """Return the head of the answer on a new connection, or nothing if the connection ends without an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(REQUEST)
        return await reader.readuntil(b"\r\n\r\n")
    except (ConnectionResetError, asyncio.IncompleteReadError):
        return b""
    finally:
        writer.close()


@asynccontextmanager
async def new_connections(port: int, clients: int = 8) -> AsyncIterator[Counter[str]]:
    """Clients that open a connection for each request. Yields the outcomes."""
    ended: Counter[str] = Counter()

    async def client() -> None:
        while True:
            try:
                ended["answered" if (await answer(port)).startswith(b"HTTP/1.1 200 ") else "not answered"] += 1
            except ConnectionRefusedError:
                ended["refused"] += 1

    tasks = [asyncio.create_task(client()) for _ in range(clients)]
    try:
        yield ended
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def answered(ended: Counter[str], times: int) -> None:
    """Wait for this many additional answers."""
    until = ended["answered"] + times

    async def are_enough() -> bool:
        return ended["answered"] >= until

    await eventually(are_enough, within=30)


@on_linux
@pytest.mark.usefixtures("served")
async def test_no_connection_is_refused_while_envoy_is_killed_repeatedly(tmp_path: Path, port: int) -> None:
    async with new_connections(port) as ended:
        await answered(ended, 50)
        for _ in range(3):
            await kill(tmp_path)
            await answered(ended, 50)
    assert ended["refused"] == 0


@on_linux
@pytest.mark.usefixtures("served")
async def test_a_client_is_answered_while_envoy_is_down_and_asked_to_reconnect(tmp_path: Path, port: int) -> None:
    await check_kill(tmp_path, port)


@on_linux
async def test_the_next_deployer_holds_the_port_of_an_adopted_envoy(tmp_path: Path, port: int) -> None:
    first = plane(tmp_path, port)
    async with upstreams("v1") as (v1,):
        async with running(first):
            await first.apply(route((v1, 100)))
            envoy = process(tmp_path)
        second = plane(tmp_path, port)
        async with running(second):
            await eventually(second.is_live)
            assert process(tmp_path) == envoy
            for _ in range(2):
                await check_kill(tmp_path, port)
        assert (await answer(port)).startswith(b"HTTP/1.1 200 ")  # only Envoy listens now
    await second.stop()


def plane(directory: Path, port: int, patience: float = 20.0) -> Envoy:
    return Envoy(directory, host="127.0.0.1", port=port, drain_seconds=5.0, patience=patience)


async def check_kill(directory: Path, port: int) -> None:
    """Send requests to an Envoy that runs, one that was killed, and the next one."""
    assert b"connection: close" not in await answer(port)
    await kill(directory)
    head = await answer(port)
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in head

    async def reaches_envoy() -> bool:
        return b"connection: close" not in await answer(port)

    await eventually(reaches_envoy)


@pytest.mark.usefixtures("served")
async def test_a_paused_envoy_is_not_ready_and_accepts_changes_once_it_resumes(envoy: Bench, tmp_path: Path) -> None:
    async with upstreams("v2") as (v2,):
        stopped = process(tmp_path)
        stopped.suspend()
        with pytest.raises(DataPlaneError, match="does not answer"):
            await envoy.data_plane.apply(route((v2, 100)))
        assert not await envoy.data_plane.is_live()
        stopped.resume()
        await envoy.data_plane.apply(route((v2, 100)))
        assert await envoy.ask() == "v2"
        assert process(tmp_path) == stopped


async def test_a_hanging_envoy_is_replaced(tmp_path: Path, port: int) -> None:
    hasty = plane(tmp_path, port, patience=1.0)
    async with upstreams("v1") as (v1,), running(hasty):
        await hasty.apply(route((v1, 100)))
        stopped = process(tmp_path)
        stopped.suspend()

        async def is_replaced() -> bool:
            return process(tmp_path) != stopped and (await answer(port)).startswith(b"HTTP/1.1 200 ")

        await eventually(is_replaced, within=30)
    await hasty.stop()


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("lost", ["", "cds.json", "rds.json", "lds.json", "table.json", "admin-address", "envoy.json"])
async def test_envoys_files_may_be_removed_while_it_runs(envoy: Bench, tmp_path: Path, lost: str) -> None:
    target = tmp_path / lost
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    async with upstreams("v2") as (v2,):

        async def is_applied() -> bool:
            await envoy.data_plane.apply(route((v2, 100)))
            return await envoy.ask() == "v2"

        await eventually(is_applied, within=30)
        await kill_any(tmp_path)

        async def is_back() -> bool:
            return (tmp_path / "envoy.json").exists() and await envoy.ask() == "v2"

        await eventually(is_back, within=30)


async def kill_any(directory: Path) -> None:
    """Kill the Envoy of a directory, with or without a record."""
    for process in psutil.Process().children():
        with suppress(psutil.Error):
            if str(directory / "bootstrap.json") in process.cmdline():
                process.kill()
