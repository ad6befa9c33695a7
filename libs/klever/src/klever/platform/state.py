"""The file with the running processes, for other commands and for cleanup after a crash."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from kleverkit.durable import replace_file
from kleverkit.processes import identity

from .plan import MARKER, Urls


@dataclass(frozen=True)
class Running:
    """A process of the platform."""

    pid: int
    identity: str
    """Distinguishes the process from a later one with the same id; empty if it exited at once."""
    url: str = ""
    failure: str = ""
    """The reason if it cannot be restarted; retries continue."""

    @classmethod
    def from_pid(cls, pid: int, url: str = "") -> "Running":
        """Return the process with this id. If it has exited, the result matches no process."""
        return cls(pid, identity(pid) or "", url)

    def process(self) -> psutil.Process | None:
        """Return the process if it still runs."""
        try:
            return psutil.Process(self.pid) if identity(self.pid) == self.identity else None
        except psutil.Error:
            return None


@dataclass(frozen=True)
class PlatformState:
    """A platform that runs, or ran until it was killed."""

    supervisor: Running
    urls: Urls
    parts: dict[str, Running]
    ready: bool
    allow_commands: bool = False
    """True if servings may run programs of users who deploy."""

    def write(self, path: Path) -> None:
        """Replace the file atomically. Raises OSError."""
        replace_file(path, json.dumps(asdict(self), indent=2).encode())


def read_state(path: Path) -> PlatformState | None:
    """Read the file; None if it does not exist or has another version."""
    try:
        data = json.loads(path.read_text())
        return PlatformState(
            supervisor=Running(**data["supervisor"]),
            urls=Urls(**data["urls"]),
            parts={name: Running(**part) for name, part in data["parts"].items()},
            ready=data["ready"],
            allow_commands=data["allow_commands"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_running(path: Path) -> PlatformState | None:
    """Like `read_state`, but None unless the supervisor runs."""
    state = read_state(path)
    return state if state is not None and state.supervisor.process() is not None else None


def processes_of(home: Path) -> list[psutil.Process]:
    """Return all processes that a platform with this home has started, including orphans and their children."""
    return [
        process for process in psutil.process_iter() if process.pid != os.getpid() and _marker(process) == str(home)
    ]


def _marker(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARKER) if process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, OSError):
        return None
