"""The file that says what runs, so that other commands find it, and what a crash may have left."""

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
    """Sets it apart from a later process with the same id; empty where it ended at once."""
    url: str = ""
    failure: str = ""
    """Why it cannot be started again; it is tried on."""

    @classmethod
    def of(cls, pid: int, url: str = "") -> "Running":
        """The process with this id; one that has ended already matches nothing."""
        return cls(pid, identity(pid) or "", url)

    def process(self) -> psutil.Process | None:
        """The process, if it still runs."""
        try:
            return psutil.Process(self.pid) if identity(self.pid) == self.identity else None
        except psutil.Error:
            return None


@dataclass(frozen=True)
class PlatformState:
    """A platform that runs, or ran until something killed it."""

    supervisor: Running
    urls: Urls
    parts: dict[str, Running]
    ready: bool
    allow_commands: bool = False
    """Whether servings may run programs of those who deploy."""

    def write(self, path: Path) -> None:
        """Replace the file in one step. Raises OSError."""
        replace_file(path, json.dumps(asdict(self), indent=2).encode())


def read_state(path: Path) -> PlatformState | None:
    """What the file says, or None where there is none that this version reads."""
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
    """As `read_state`, where the supervisor still runs."""
    state = read_state(path)
    return state if state is not None and state.supervisor.process() is not None else None


def processes_of(home: Path) -> list[psutil.Process]:
    """Every process that a platform with this home has started, at any depth, whoever is its parent now."""
    return [
        process for process in psutil.process_iter() if process.pid != os.getpid() and _marker(process) == str(home)
    ]


def _marker(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARKER) if process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, OSError):
        return None
