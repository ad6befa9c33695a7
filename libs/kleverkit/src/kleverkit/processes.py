"""Which process has an id: this one, or a later one that was given the same id."""

import os
import platform
from pathlib import Path

from kleverproto.base import WireModel

PROC = Path("/proc")
ENDED = (b"Z", b"X")
"""States of a process of which only the exit status is left."""
STATE, STARTED = 0, 19
"""Places after the program's name, which may hold blanks: fields 3 and 22 of proc_pid_stat(5)."""


def identity(pid: int, proc: Path = PROC) -> str | None:
    """What no other process has, on this machine, at any time; None where the process has ended.

    It is the boot's id with the start in clock ticks since then. Neither moves when the wall clock is set, while the
    time of start that psutil gives on Linux does. Systems without procfs (macOS) keep that time in the kernel.

    Args:
        pid: id of the process.
        proc: where procfs is mounted.
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
    """A process, as another one can recognise it later."""

    pid: int
    identity: str
    """See `identity`."""
    machine: str
    """The boot and the PID namespace in which `pid` counts."""


def this_process(proc: Path = PROC) -> ProcessReference:
    """The process that asks."""
    pid = os.getpid()
    return ProcessReference(pid=pid, identity=identity(pid, proc) or "", machine=_machine(proc))


def has_exited(process: ProcessReference, proc: Path = PROC) -> bool:
    """Whether it is certain that a process has exited; False where that cannot be seen from here."""
    return is_visible(process, proc) and identity(process.pid, proc) != process.identity


def is_visible(process: ProcessReference, proc: Path = PROC) -> bool:
    """Whether its id means the same here: on this machine, since its last boot, and in this container."""
    return process.machine == _machine(proc)


def _machine(proc: Path) -> str:
    try:
        boot = (proc / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
        return f"{boot} {(proc / 'self' / 'ns' / 'pid').readlink()}"
    except OSError:
        return platform.node()
