"""Processes that outlive the deployer: each in its own session, and found again by its record."""

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from kleverkit.durable import replace_file
from kleverkit.processes import identity

POLL_SECONDS = 0.1
TAIL_BYTES = 4096
UNUSED_PID = 2**22 + 1
"""An id that no process can have: Linux assigns ids up to 2^22."""
OWNER = "KLEVER_DEPLOYER_OWNER"
"""Environment variable of every process started here; its value is the deployer's work_dir."""


@dataclass(frozen=True)
class ProcessRecord:
    """A process, and the session that it leads."""

    pid: int
    identity: str
    """Distinguishes the process from a later one with the same id; empty if it exited at once."""
    port: int
    owner: str = ""
    """The value of its `OWNER` variable."""
    sandbox: str = ""
    """A description of its sandbox, for people."""
    grpc_port: int = 0
    about: dict[str, Any] = field(default_factory=dict)
    """The key of the replica, for the deployer that adopts the process."""

    def write(self, path: Path) -> None:
        """Replace the file atomically. Raises OSError."""
        replace_file(path, json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, path: Path) -> "ProcessRecord | None":
        """Read a record; None if the file does not exist or cannot be read."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def find(self) -> psutil.Process | None:
        """The process, if it still runs."""
        try:
            return psutil.Process(self.pid) if identity(self.pid) == self.identity else None
        except psutil.Error:
            return None


def spawn(  # noqa: PLR0913 - the attributes of a process
    command: Sequence[str],
    *,
    log: Path,
    owner: Path,
    port: int,
    env: Mapping[str, str],
    cores: int | None = None,
    descriptors: Sequence[int] = (),
) -> ProcessRecord:
    """Starts a process that survives signals to the deployer's group and the deployer's exit.

    If the command cannot be run, the result is the record of a process that has exited, and the reason is in the log.

    Args:
        command: program and arguments.
        log: the file to which its output is appended.
        owner: the deployer's work_dir.
        port: the port on which it will listen.
        env: its complete environment.
        cores: number of cores that it may use; all by default.
        descriptors: file descriptors that it inherits.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**env, OWNER: str(owner)},
                pass_fds=descriptors,
            )
        except OSError as error:
            output.write(f"klever: {command[0]} cannot be run: {error.strerror}\n".encode())
            return ProcessRecord(UNUSED_PID, "", port)
    process.returncode = 0  # disables the warning of Popen: `_reap` reads the exit status
    if cores is not None:
        _restrict_to(process.pid, cores)
    return ProcessRecord(process.pid, identity(process.pid) or "", port, str(owner))


async def wait_for_exit(record: ProcessRecord) -> None:
    """Returns when the process has exited, even if another process started it."""
    try:
        descriptor = os.pidfd_open(record.pid)
    except (AttributeError, OSError):  # not on Linux; or the process has exited
        while record.find() is not None:  # noqa: ASYNC110 - other systems do not report the exit of another's child
            await asyncio.sleep(POLL_SECONDS)
    else:
        try:
            await _wait_for_last_thread(descriptor, record)
        finally:
            os.close(descriptor)
    _reap(record.pid)


async def _wait_for_last_thread(descriptor: int, record: ProcessRecord) -> None:
    """Wait until the last thread of a pidfd's process has ended, if it is the record's: pidfd_open(2).

    A process whose first thread has ended no longer has an identity, but may still hold ports and memory.
    """
    if identity(record.pid) not in {record.identity, None}:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)


async def stop(record: ProcessRecord, *, grace_seconds: float) -> None:
    """Terminates the process, kills it after the grace period, and then kills the rest of its session."""
    process = record.find()
    if process is not None:
        with suppress(psutil.Error):
            process.terminate()
        try:
            async with asyncio.timeout(grace_seconds):  # wait_for can lose a cancellation at the end
                await wait_for_exit(record)
        except TimeoutError:
            with suppress(psutil.Error):
                process.kill()
            await wait_for_exit(record)
    _reap(record.pid)
    kill_session(record)


def kill_session(record: ProcessRecord) -> None:
    """Kills the worker processes of a server that has exited: they may hold its port and its memory."""
    for process in _all_processes():
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == record.pid and process.environ().get(OWNER) == record.owner:
                process.kill()


def unrecorded(owner: Path, known: Iterable[ProcessRecord]) -> list[ProcessRecord]:
    """Processes that a deployer with this work_dir started, and that belong to none of the running known processes."""
    leaders = {record.pid for record in known if record.find() is not None}
    records = []
    for process in _all_processes():
        with suppress(psutil.Error, OSError):
            if process.environ().get(OWNER) == str(owner) and not _belongs(process, leaders):
                records.append(ProcessRecord(process.pid, identity(process.pid) or "", 0, str(owner)))
    return [record for record in records if record.find() is not None]


def _belongs(process: psutil.Process, leaders: set[int]) -> bool:
    """Return whether a process is one of these, in the session of one, or a descendant of one."""
    if process.pid in leaders or os.getsid(process.pid) in leaders:
        return True
    return any(ancestor.pid in leaders for ancestor in process.parents())


def _all_processes() -> Iterator[psutil.Process]:
    """All processes, without psutil's cache, which in some versions identifies processes by wall-clock time."""
    for pid in psutil.pids():
        with suppress(psutil.Error):
            yield psutil.Process(pid)


def free_port(host: str) -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def reuse_port(host: str, before: int) -> int:
    """The previous port if it is free; otherwise another free port."""
    return before if before and is_free(host, before) else free_port(host)


def memory_of(record: ProcessRecord) -> int:
    """Memory of a process and its descendants, in bytes; 0 if it has exited."""
    process = record.find()
    if process is None:
        return 0
    total = 0
    with suppress(psutil.Error):
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += each.memory_info().rss
    return total


def append_note(log: Path, text: str) -> None:
    """Append a line to a server's log; ignored if the disk is full."""
    with suppress(OSError), log.open("a") as output:
        output.write(f"klever: {text}\n")


def is_free(host: str, port: int) -> bool:
    """Return whether a process could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def tail(path: Path, lines: int = 5) -> str:
    """The last lines of a log, joined in one line; repeated lines appear once."""
    return " | ".join(dict.fromkeys(last_lines(path)[-lines:])) or "(empty)"


def last_lines(path: Path) -> list[str]:
    """The lines in the last few kilobytes of a log; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return text.strip().splitlines()


def _restrict_to(pid: int, cores: int) -> None:
    """Restrict a process to a number of this machine's cores; on Linux only."""
    with suppress(psutil.Error, OSError, AttributeError):
        process = psutil.Process(pid)
        here = process.cpu_affinity() or []
        first = pid % max(1, len(here))
        process.cpu_affinity([*here, *here][first : first + min(cores, len(here))])


def _reap(pid: int) -> None:
    """Read the exit status of a child, so that no zombie remains; ignore processes that are not children."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
