"""The state file of the running platform."""

import os
import sys
from pathlib import Path

import pytest

from klever.platform.plan import Ports, urls
from klever.platform.state import PlatformState, Running, read_running
from support.clock import wall_clock_set


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux does the start of a process move with the clock")
def test_the_platform_is_found_after_the_wall_clock_changed(tmp_path: Path) -> None:
    supervisor = Running.from_pid(os.getpid())
    state = PlatformState(supervisor, urls(Ports()), {"nats": supervisor}, ready=True)
    state.write(tmp_path / "platform.json")
    with wall_clock_set(1, tmp_path / "proc"):
        assert read_running(tmp_path / "platform.json") == state
        assert state.parts["nats"].process() is not None


def test_another_process_with_the_id_of_the_supervisor_is_not_the_platform(tmp_path: Path) -> None:
    other = Running(os.getpid(), "of an earlier boot:1")
    PlatformState(other, urls(Ports()), {}, ready=True).write(tmp_path / "platform.json")
    assert read_running(tmp_path / "platform.json") is None
