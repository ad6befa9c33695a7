"""Processes that outlive the deployer: started in sessions of their own, found again by what was written down."""

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

POLL_SECONDS = 0.1
TAIL_BYTES = 4096
OWNER = "KLEVER_DEPLOYER_OWNER"
"""Environment variable of every process started here; its value is the deployer's work_dir."""


@dataclass(frozen=True)
class ProcessRecord:
    """A process, told apart from a later one with the same id by when it began."""

    pid: int
    created: float
    """Seconds since 1970."""
    port: int
    about: dict[str, Any] = field(default_factory=dict)
    """What it is, for the deployer that adopts it."""

    def write(self, path: Path) -> None:
        """Replace the file in one step."""
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self)))
        new.replace(path)

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
            process = psutil.Process(self.pid)
            same = process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return None
        return process if same else None


def spawn(command: Sequence[str], *, log: Path, owner: Path, port: int, env: Mapping[str, str]) -> ProcessRecord:
    """Start a process that neither a signal to the deployer's group nor its death ends. Raises OSError."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, **env, OWNER: str(owner)},
        )
    process.returncode = 0  # this object is done with it: the exit status is taken by `_reap`
    try:
        created = psutil.Process(process.pid).create_time()
    except psutil.NoSuchProcess:
        created = 0.0
    return ProcessRecord(process.pid, created, port)


async def wait_gone(record: ProcessRecord) -> None:
    """Return when the process has ended. It may be no child of ours, so it is looked at, not waited for."""
    while record.find() is not None:  # noqa: ASYNC110 - nobody tells of the end of a process that is no child
        await asyncio.sleep(POLL_SECONDS)
    _reap(record.pid)


async def stop(record: ProcessRecord, *, grace_seconds: float) -> None:
    """Ask the process to end, and make it end after the grace."""
    process = record.find()
    if process is None:
        _reap(record.pid)
        return
    with suppress(psutil.Error):
        process.terminate()
    try:
        await asyncio.wait_for(wait_gone(record), grace_seconds)
    except TimeoutError:
        with suppress(psutil.Error):
            process.kill()
        await wait_gone(record)


def strangers(owner: Path, known: set[int]) -> list[ProcessRecord]:
    """Processes that a deployer with this work_dir started and did not get to write down."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            owned = process.environ().get(OWNER) == str(owner)
            if owned and process.pid not in known and process.status() != psutil.STATUS_ZOMBIE:
                found.append(ProcessRecord(process.pid, process.create_time(), 0))
    return found


def free_port(host: str) -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


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
    """The last lines of a log, in one line; what every start in vain says again is said once."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return "(no log)"
    return " | ".join(dict.fromkeys(text.strip().splitlines()[-lines:])) or "(empty)"


def _reap(pid: int) -> None:
    """Take the exit status of a child, so that no zombie stays; another's child is none of our business."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
