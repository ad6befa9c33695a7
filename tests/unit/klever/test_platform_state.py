"""The file that says what runs."""

import os
from pathlib import Path

import psutil
import pytest

from klever.platform.plan import Ports, urls
from klever.platform.state import PlatformState, Running, read_running


def test_the_platform_is_found_after_the_wall_clock_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = Running.of(os.getpid())
    state = PlatformState(supervisor, urls(Ports()), {"nats": supervisor}, ready=True)
    state.write(tmp_path / "platform.json")
    boot = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot + 1.0)
    assert read_running(tmp_path / "platform.json") == state
    assert state.parts["nats"].process() is not None


def test_another_process_with_the_id_of_the_supervisor_is_not_the_platform(tmp_path: Path) -> None:
    other = Running(os.getpid(), "of an earlier boot:1")
    PlatformState(other, urls(Ports()), {}, ready=True).write(tmp_path / "platform.json")
    assert read_running(tmp_path / "platform.json") is None
