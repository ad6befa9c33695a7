"""Identifies processes, so that a process is not confused with a later one that has the same id."""

import os
import platform
from pathlib import Path

from kleverproto.base import WireModel

PROC = Path("/proc")
ENDED = (b"Z", b"X")
"""States of a process that has exited."""
STATE, STARTED = 0, 19
"""Indexes after the program's name, which may contain spaces: fields 3 and 22 of proc_pid_stat(5)."""


def identity(pid: int, proc: Path = PROC) -> str | None:
    """A unique identity of a process on this machine; None if the process has exited.

    It consists of the boot id and the start time in clock ticks since boot. Neither changes when the wall clock is
    set, unlike psutil's start time on Linux. Systems without procfs (macOS) store the start time in the kernel.

    Args:
        pid: id of the process.
        proc: mount point of procfs.
    """
    boot = proc / "sys" / "kernel" / "random" / "boot_id"
    if not boot.exists():
        return _by_time(pid)
    try:
        fields = (proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[STATE] in ENDED else f"{boot.read_text().strip()}:{int(fields[STARTED])}"


def _by_time(pid: int) -> str | None:
    import psutil  # noqa: PLC0415 - not needed on Linux

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time()}"
    except psutil.Error:
        return None


class ProcessReference(WireModel):
    """A reference by which another process can identify a process later."""

    pid: int
    identity: str
    """See `identity`."""
    machine: str
    """The boot and the PID namespace in which `pid` is valid."""


def this_process(proc: Path = PROC) -> ProcessReference:
    """The reference of this process."""
    pid = os.getpid()
    return ProcessReference(pid=pid, identity=identity(pid, proc) or "", machine=_machine(proc))


def has_exited(process: ProcessReference, proc: Path = PROC) -> bool:
    """Return whether a process is known to have exited; False if it is not visible from here."""
    return is_visible(process, proc) and identity(process.pid, proc) != process.identity


def is_visible(process: ProcessReference, proc: Path = PROC) -> bool:
    """Return whether the process's id is valid here: on this machine, since its last boot, and in this container."""
    return process.machine == _machine(proc)


def _machine(proc: Path) -> str:
    try:
        boot = (proc / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
        return f"{boot} {(proc / 'self' / 'ns' / 'pid').readlink()}"
    except OSError:
        return platform.node()
