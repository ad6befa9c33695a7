"""Processes that outlive the deployer: started in sessions of their own, found again by what was written down."""

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
NOBODY = 2**22 + 1
"""No process can have this id: Linux gives ids up to 2^22."""
OWNER = "KLEVER_DEPLOYER_OWNER"
"""Environment variable of every process started here; its value is the deployer's work_dir."""


@dataclass(frozen=True)
class ProcessRecord:
    """A process, and the session that it leads."""

    pid: int
    identity: str
    """Sets it apart from a later process with the same id; empty where it ended at once."""
    port: int
    owner: str = ""
    """Value of its `OWNER`."""
    sandbox: str = ""
    """What it is confined by, for people."""
    grpc_port: int = 0
    about: dict[str, Any] = field(default_factory=dict)
    """What it is, for the deployer that adopts it."""

    def write(self, path: Path) -> None:
        """Replace the file in one step. Raises OSError."""
        replace_file(path, json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, path: Path) -> "ProcessRecord | None":
        """What the file says, or None where there is none that can be read."""
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


def spawn(  # noqa: PLR0913 - what a process has
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

    A command that cannot be run is a process that exits at once, with the reason in the log.

    Args:
        command: program and arguments.
        log: its output is appended there.
        owner: the deployer's work_dir.
        port: where it will listen.
        env: its environment, all of it.
        cores: how many it may run on; all by default.
        descriptors: files that it inherits.
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
            return ProcessRecord(NOBODY, "", port)
    process.returncode = 0  # this object is done with it: the exit status is taken by `_reap`
    if cores is not None:
        _keep_to(process.pid, cores)
    return ProcessRecord(process.pid, identity(process.pid) or "", port, str(owner))


async def wait_gone(record: ProcessRecord) -> None:
    """Returns when the process has exited, whoever started it."""
    try:
        descriptor = os.pidfd_open(record.pid)
    except (AttributeError, OSError):  # not on Linux; or it has ended
        while record.find() is not None:  # noqa: ASYNC110 - no other system announces the end of another's child
            await asyncio.sleep(POLL_SECONDS)
    else:
        try:
            await _readable(descriptor, record)
        finally:
            os.close(descriptor)
    _reap(record.pid)


async def _readable(descriptor: int, record: ProcessRecord) -> None:
    """Wait until the last thread of a pidfd's process has ended, if it is the record's: pidfd_open(2).

    A process whose first thread has ended has no identity any more, and may still hold ports and memory.
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
            async with asyncio.timeout(grace_seconds):  # wait_for loses a cancellation that comes with the end
                await wait_gone(record)
        except TimeoutError:
            with suppress(psutil.Error):
                process.kill()
            await wait_gone(record)
    _reap(record.pid)
    kill_session(record)


def kill_session(record: ProcessRecord) -> None:
    """Kills the worker processes of a server that has exited: they may hold its port and its memory."""
    for process in _all_processes():
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == record.pid and process.environ().get(OWNER) == record.owner:
                process.kill()


def strangers(owner: Path, known: Iterable[ProcessRecord]) -> list[ProcessRecord]:
    """Processes that a deployer with this work_dir started, and that belong to none of these which still run."""
    leaders = {record.pid for record in known if record.find() is not None}
    records = []
    for process in _all_processes():
        with suppress(psutil.Error, OSError):
            if process.environ().get(OWNER) == str(owner) and not _belongs(process, leaders):
                records.append(ProcessRecord(process.pid, identity(process.pid) or "", 0, str(owner)))
    return [record for record in records if record.find() is not None]


def _belongs(process: psutil.Process, leaders: set[int]) -> bool:
    """Whether a process is one of these, in the session of one, or started by one, at any depth."""
    if process.pid in leaders or os.getsid(process.pid) in leaders:
        return True
    return any(ancestor.pid in leaders for ancestor in process.parents())


def _all_processes() -> Iterator[psutil.Process]:
    """Each looked up anew: some versions of psutil remember processes by their start on the wall clock."""
    for pid in psutil.pids():
        with suppress(psutil.Error):
            yield psutil.Process(pid)


def free_port(host: str) -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def port_like(host: str, before: int) -> int:
    """The port of before where it is free, else another one."""
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


def note(log: Path, text: str) -> None:
    """Write a line of our own into a server's log, where there is space."""
    with suppress(OSError), log.open("a") as output:
        output.write(f"klever: {text}\n")


def is_free(host: str, port: int) -> bool:
    """Whether a process could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def tail(path: Path, lines: int = 5) -> str:
    """The last lines of a log, in one line; lines that each failed start repeats appear once."""
    return " | ".join(dict.fromkeys(last_lines(path)[-lines:])) or "(empty)"


def last_lines(path: Path) -> list[str]:
    """The last lines of a log, of a few kilobytes; none where it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return text.strip().splitlines()


def _keep_to(pid: int, cores: int) -> None:
    """Let a process run on so many cores only, of those that are here; on Linux."""
    with suppress(psutil.Error, OSError, AttributeError):
        process = psutil.Process(pid)
        here = process.cpu_affinity() or []
        first = pid % max(1, len(here))
        process.cpu_affinity([*here, *here][first : first + min(cores, len(here))])


def _reap(pid: int) -> None:
    """Take the exit status of a child, so that no zombie stays; another's child is none of our business."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
