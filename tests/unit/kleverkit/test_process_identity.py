"""The identity of a process id, from a procfs that the test writes."""

import os
from pathlib import Path

import pytest

from kleverkit.processes import ProcessReference, has_exited, identity, this_process

PID = 4711


def procfs(directory: Path, *, boot: str = "boot-1", ticks: int = 1000, state: str = "S", name: str = "python") -> Path:
    (directory / "sys/kernel/random").mkdir(parents=True, exist_ok=True)
    (directory / "sys/kernel/random/boot_id").write_text(f"{boot}\n")
    (directory / str(PID)).mkdir(exist_ok=True)
    (directory / str(PID) / "stat").write_text(f"{PID} ({name}) {state} {'1 ' * 18}{ticks} 4096 25")
    return directory


def test_the_identity_holds_the_boot_and_the_start_in_ticks_and_no_clock(tmp_path: Path) -> None:
    assert identity(PID, procfs(tmp_path)) == "boot-1:1000"


@pytest.mark.parametrize("change", [{"boot": "boot-2"}, {"ticks": 1001}])
def test_a_later_process_with_the_same_id_has_another_identity(tmp_path: Path, change: dict[str, str]) -> None:
    before = identity(PID, procfs(tmp_path))
    assert identity(PID, procfs(tmp_path, **change)) not in {before, None}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a b", "S) 1 2 (", "\udcff"])
def test_the_programs_name_may_be_anything(tmp_path: Path, name: str) -> None:
    directory = procfs(tmp_path)
    stat = directory / str(PID) / "stat"
    stat.write_bytes(stat.read_bytes().replace(b"python", os.fsencode(name)))
    assert identity(PID, directory) == "boot-1:1000"


@pytest.mark.parametrize("state", ["Z", "X"])
def test_a_process_that_has_exited_has_no_identity(tmp_path: Path, state: str) -> None:
    assert identity(PID, procfs(tmp_path, state=state)) is None
    assert identity(PID + 1, tmp_path) is None


def test_the_system_knows_the_identity_of_this_process(tmp_path: Path) -> None:
    assert identity(os.getpid()) == identity(os.getpid())
    assert identity(os.getpid(), tmp_path / "no procfs") is not None


def with_namespace(directory: Path, number: int) -> Path:
    (directory / "self/ns").mkdir(parents=True, exist_ok=True)
    (directory / "self/ns/pid").unlink(missing_ok=True)
    (directory / "self/ns/pid").symlink_to(f"pid:[{number}]")
    return directory


def test_this_process_has_not_exited() -> None:
    assert not has_exited(this_process())


def test_a_process_has_exited_if_its_id_is_free_or_reused(tmp_path: Path) -> None:
    proc = with_namespace(procfs(tmp_path), 1)
    record = ProcessReference(pid=PID, identity="boot-1:1000", machine="boot-1 pid:[1]")
    assert not has_exited(record, proc)
    procfs(tmp_path, ticks=2000)
    assert has_exited(record, proc)
    assert has_exited(record.model_copy(update={"pid": PID + 1}), proc)


@pytest.mark.parametrize("machine", ["boot-2 pid:[1]", "boot-1 pid:[2]", "another"])
def test_a_process_of_another_machine_or_container_is_not_treated_as_exited(tmp_path: Path, machine: str) -> None:
    record = ProcessReference(pid=4, identity="boot-1:1", machine=machine)
    assert not has_exited(record, with_namespace(procfs(tmp_path), 1))
