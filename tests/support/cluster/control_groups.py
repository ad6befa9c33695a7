"""The control groups of a cluster: proof of which processes belong to it."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from .polling import wait_until

CONTROL_GROUPS = Path("/sys/fs/cgroup")
HIERARCHIES = (
    *("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd", "hugetlb"),
    "unified",
)
"""Those in which kubelet and runc keep pods, on a machine with control groups of version 1."""
SECONDS_TO_EXIT = 20.0


def kubelet_root(name: str) -> str:
    """The parent group of all pods. The group above it is for the other processes of the cluster."""
    return f"/{name}/pods"


def create(name: str) -> None:
    """Creates the groups of a cluster in each hierarchy."""
    for group in _existing_hierarchies():
        (group / name / "pods").mkdir(parents=True, exist_ok=True)
    for setting in ("cpuset.cpus", "cpuset.mems"):  # empty in a new group, which then accepts no process
        inherited = (CONTROL_GROUPS / "cpuset" / setting).read_text()
        for path in (name, kubelet_root(name).lstrip("/")):
            (CONTROL_GROUPS / "cpuset" / path / setting).write_text(inherited)


def join(name: str) -> None:
    """Moves the calling process, and so all that it starts, into the groups of a cluster."""
    for group in _existing_hierarchies():
        (group / name / "cgroup.procs").write_text("0")


def processes(name: str) -> set[int]:
    """The IDs of all processes of a cluster, those of its pods included."""
    files = [file for group in _existing_hierarchies() for file in (group / name).rglob("cgroup.procs")]
    return {int(line) for file in files for line in _lines(file)}


def remove(name: str) -> None:
    """Kills all processes of a cluster, and removes its groups.

    Raises:
        TimeoutError: a process did not exit.
    """
    if not wait_until(lambda: _kill_all(name), SECONDS_TO_EXIT):
        raise TimeoutError(f"processes of the cluster {name!r} do not exit after SIGKILL: {sorted(processes(name))}")
    wait_until(lambda: _remove_groups(name), SECONDS_TO_EXIT)


def _remove_groups(name: str) -> bool:
    """Removes the empty groups of a cluster. Returns whether none is left."""
    try:
        for hierarchy in _existing_hierarchies():
            for directory, _, _ in os.walk(hierarchy / name, topdown=False):
                Path(directory).rmdir()
    except OSError:  # the kernel has not released a process yet
        return False
    return True


def _existing_hierarchies() -> list[Path]:
    return [CONTROL_GROUPS / name for name in HIERARCHIES if (CONTROL_GROUPS / name).is_dir()]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:  # kubelet removed the group of a pod
        return []


def _kill_all(name: str) -> bool:
    """Kills all processes of a cluster. Returns whether there were none."""
    running = processes(name)
    for process in running:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return not running
