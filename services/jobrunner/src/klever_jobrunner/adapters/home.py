"""The home of a jobrunner, which survives restarts, in a directory that several jobrunners may share."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import structlog

from kleverkit.durable import make_directory, replace_file

log = structlog.get_logger(__name__)

NAME, LOCK, SCRATCH = "name", "lock", "scratch"


@dataclass(frozen=True)
class Home:
    """The home of one running jobrunner."""

    name: str
    """The name of the jobrunner. The next process with this home resumes its jobs."""
    scratch: Path
    """Directory for models while jobs run."""
    lock: int | None = None
    """Descriptor of the lock file; None if the directory cannot be written."""

    def release(self) -> None:
        """Release the home for another process; the exit of this process also releases it."""
        if self.lock is not None:
            os.close(self.lock)


def claim_home(work_dir: Path) -> Home:
    """Lock the first home below a directory that no other process uses.

    If the directory cannot be written, the name is new, and the next process waits until the claims of this one lapse.
    """
    number = 1
    while True:
        home = work_dir / f"jobrunner-{number}"
        try:
            make_directory(home)
            lock = _lock(home / LOCK)
        except OSError as error:
            log.warning("the name of this jobrunner cannot be kept", path=str(home), error=str(error))
            return Home(uuid4().hex, home / SCRATCH)
        if lock is not None:
            return Home(_name(home), home / SCRATCH, lock)
        number += 1


def _lock(path: Path) -> int | None:
    """Lock a file; None if another process holds the lock. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # not inherited by child processes
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _name(home: Path) -> str:
    path = home / NAME
    try:
        if name := path.read_text(encoding="ascii").strip():
            return name
    except (OSError, ValueError):
        log.info("a jobrunner with a new home", home=str(home))
    name = uuid4().hex
    try:
        replace_file(path, name.encode())
    except OSError as error:
        log.warning("the name of this jobrunner cannot be kept", path=str(path), error=str(error))
    return name
