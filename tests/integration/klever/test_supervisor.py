"""The supervisor with small servers as parts: starts, restarts, stops, and the remains of a killed one."""

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from klever.cli.__main__ import cli
from klever.cli.status import report
from klever.errors import PlatformError
from klever.platform.child import stop_leftovers
from klever.platform.home import Home
from klever.platform.plan import Part
from klever.platform.ports import is_free
from klever.platform.state import processes_of, read_running, read_state
from klever.platform.supervisor import Supervisor, stop_earlier
from kleverkit.bounded_logs import LARGEST
from support import fake_platform
from support.fake_platform import URLS, Recorder, broken_part, fake_part
from support.processes import free_port
from support.waiting import eventually


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path.resolve() / "home")


def pid_of(home: Home, part: str = "server") -> int:
    state = read_state(home.state)
    assert state is not None
    return state.parts[part].pid


async def test_parts_are_ready_inside_the_block_and_gone_after_it(home: Home) -> None:
    recorder = Recorder()
    parts = [fake_part(home, free_port()), fake_part(home, free_port(), name="other", replica=True)]
    async with Supervisor(home, parts, URLS, recorder).running():
        state = read_running(home.state)
        assert state is not None
        assert state.ready
        assert sorted(recorder.reports) == ["other ready", "server ready"]
        assert len(processes_of(home.path)) == 3
    assert processes_of(home.path) == []
    assert not home.state.exists()


async def test_the_ports_of_a_killed_platform_are_free_for_the_next_one(home: Home) -> None:
    part = fake_part(home, free_port())
    left = await asyncio.create_subprocess_exec(*part.command, env=os.environ | part.environment)

    async def holds_its_port() -> bool:
        return not is_free(part.port)

    await eventually(holds_its_port)
    ended = asyncio.create_task(left.wait())
    await stop_earlier(home)
    assert is_free(part.port)
    await ended


async def test_a_running_platform_is_not_stopped_by_the_next_one(home: Home) -> None:
    async with Supervisor(home, [fake_part(home, free_port())], URLS, Recorder()).running():
        with pytest.raises(PlatformError, match="is already running with"):
            await stop_earlier(home)
        assert len(processes_of(home.path)) == 1


async def test_a_killed_part_is_restarted(home: Home) -> None:
    recorder = Recorder()
    async with Supervisor(home, [fake_part(home, free_port())], URLS, recorder).running():
        first = pid_of(home)
        psutil.Process(first).kill()

        async def reported_again() -> bool:
            return recorder.reports == ["server ready", "server died -9", "server ready"]

        await eventually(reported_again)
        assert pid_of(home) != first


async def test_a_part_that_cannot_restart_is_reported_and_retried(home: Home) -> None:
    recorder = Recorder()
    async with Supervisor(home, [fake_part(home, free_port())], URLS, recorder).running():
        log = home.log_of("server")
        log.unlink()
        log.mkdir()  # no log can be written there
        psutil.Process(pid_of(home)).kill()

        async def is_shown() -> bool:
            return "cannot be started: " in (await asyncio.to_thread(report, home))["parts"][0]["state"]

        await eventually(is_shown)
        assert recorder.reports[-1].startswith("server failed: ")
        log.rmdir()

        async def is_back() -> bool:
            [part] = (await asyncio.to_thread(report, home))["parts"]
            return bool(part["state"] == "ready")

        await eventually(is_back, within=30)

        async def is_reported() -> bool:
            return recorder.reports[-1] == "server ready"

        await eventually(is_reported)


async def test_a_part_restarts_on_a_full_disk_and_the_state_is_written_later(home: Home) -> None:
    async with Supervisor(home, [fake_part(home, free_port())], URLS, Recorder()).running():
        first = pid_of(home)
        home.state.unlink()
        home.state.mkdir()  # no state can be written there
        psutil.Process(first).kill()

        async def is_started() -> bool:
            return len(processes_of(home.path)) == 1 and processes_of(home.path)[0].pid != first

        await eventually(is_started)
        home.state.rmdir()

        async def is_written() -> bool:
            return pid_of(home) == processes_of(home.path)[0].pid

        await eventually(is_written)


class Mute(Recorder):
    """An output whose terminal was closed."""

    def died(self, part: Part, code: int) -> None:
        super().died(part, code)
        raise BrokenPipeError("nobody reads")


async def test_a_part_restarts_though_nobody_reads_the_reports(home: Home) -> None:
    mute = Mute()
    async with Supervisor(home, [fake_part(home, free_port())], URLS, mute).running():
        psutil.Process(pid_of(home)).kill()

        async def is_back() -> bool:
            return mute.reports == ["server ready", "server died -9", "server ready"]

        await eventually(is_back)


async def test_the_log_of_a_part_is_bounded(home: Home) -> None:
    async with Supervisor(home, [fake_part(home, free_port())], URLS, Recorder()).running():
        log = home.log_of("server")
        os.truncate(log, LARGEST + 1)

        async def is_short() -> bool:
            return log.stat().st_size == 0

        await eventually(is_short)
        assert log.with_name("server.log.1").stat().st_size == LARGEST + 1


async def test_a_part_that_cannot_start_is_an_error_with_the_end_of_its_log(home: Home) -> None:
    parts = [fake_part(home, free_port()), broken_part(home, free_port())]
    with pytest.raises(PlatformError, match="the broken did not start") as failure:
        async with Supervisor(home, parts, URLS, Recorder()).running():
            pytest.fail("it is not ready")
    assert "the disk is full" in str(failure.value)
    assert processes_of(home.path) == []


async def test_a_second_platform_with_the_same_home_is_refused(home: Home) -> None:
    async with Supervisor(home, [fake_part(home, free_port())], URLS, Recorder()).running():
        running = pid_of(home)
        with pytest.raises(PlatformError, match="klever down"):
            async with Supervisor(home, [fake_part(home, free_port())], URLS, Recorder()).running():
                pytest.fail("both run")
        assert psutil.pid_exists(running)


async def test_the_log_of_the_previous_run_is_kept(home: Home) -> None:
    home.create()
    home.log_of("server").write_text("before")
    async with Supervisor(home, [fake_part(home, free_port())], URLS, Recorder()).running():
        assert home.log_of("server").read_text() == ""
    assert home.log_of("server").with_name("server.log.1").read_text() == "before"


async def killed_supervisor(home: Home) -> None:
    """Start a supervisor in a separate process, and kill it once everything is ready."""
    command = [sys.executable, "-m", "support.fake_platform", str(home.path), str(free_port())]
    environment = {"PYTHONPATH": str(Path(fake_platform.__file__).parents[1])}
    process = await asyncio.create_subprocess_exec(*command, env=environment)

    async def is_ready() -> bool:
        state = read_running(home.state)
        return state is not None and state.ready and len(processes_of(home.path)) == 2

    try:
        await eventually(is_ready)
    finally:
        process.kill()
        await process.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux notifies a child that its parent was killed")
async def test_parts_exit_when_the_supervisor_is_killed(home: Home) -> None:
    await killed_supervisor(home)
    part = pid_of(home)

    async def is_gone() -> bool:
        return part not in [process.pid for process in processes_of(home.path)]

    await eventually(is_gone)
    stop_leftovers(home)


async def test_down_stops_the_remains_of_a_killed_supervisor(home: Home) -> None:
    await killed_supervisor(home)
    assert processes_of(home.path) != []
    result = await asyncio.to_thread(CliRunner().invoke, cli, ["down"], env={"KLEVER_HOME": str(home.path)})
    assert result.output == "Stopped.\n"
    assert processes_of(home.path) == []


async def test_the_next_platform_stops_the_remains_of_a_killed_one(home: Home) -> None:
    await killed_supervisor(home)
    left = processes_of(home.path)
    async with Supervisor(home, [fake_part(home, free_port())], URLS, Recorder()).running():
        assert not any(process.is_running() and process in processes_of(home.path) for process in left)


async def test_a_shell_that_exports_the_home_is_not_treated_as_a_part(home: Home) -> None:
    command = (sys.executable, "-c", "input()")
    environment = {"KLEVER_HOME": str(home.path)}
    bystander = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, env=environment)
    try:
        await asyncio.to_thread(CliRunner().invoke, cli, ["down"], env=environment)
        assert bystander.returncode is None
    finally:
        await bystander.communicate(b"\n")
    assert bystander.returncode == 0
