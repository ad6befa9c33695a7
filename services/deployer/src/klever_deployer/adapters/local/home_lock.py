"""Locks of the kernel that let only one deployer act on a home, even if NATS fails (docs/adr/0031)."""

import asyncio
import fcntl
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import structlog
from pydantic import ValidationError

from kleverkit.durable import make_directory
from kleverkit.processes import ProcessReference, has_exited, is_visible, this_process

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.05
PATIENCE_SECONDS = 2.0
"""Time in which a former leader, which has lost its lease, must release the home before it is killed."""
RECORD_BYTES = 512
"""Size of the record, which is overwritten in place, so that it can be written on a full disk."""


class HomeLock:
    """The locks of a deployer's work directory. The kernel releases them when a process exits for any reason.

    Args:
        directory: the work directory.
        patience: see PATIENCE_SECONDS.
    """

    def __init__(self, directory: Path, *, patience: float = PATIENCE_SECONDS) -> None:
        self._directory = directory
        self._patience = patience
        self._joined: int | None = None

    def join(self) -> None:
        """Register as one of the home's deployers. Waits while the last one stops model servers and the proxy."""
        make_directory(self._directory)
        self._joined = _open(self._members)
        fcntl.flock(self._joined, fcntl.LOCK_SH)

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Prevent other deployers from acting on the home while the block runs.

        A former leader that does not release the home, because it hangs or is suspended, is killed: otherwise it would
        act when it resumes.
        """
        descriptor = _open(self._directory / "leader.lock")
        try:
            await self._lock(descriptor)
            _write(descriptor, this_process())
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def leave(self) -> Iterator[bool]:
        """Deregister, and yield whether this was the last deployer; in that case none can join while the block runs."""
        if self._joined is None:
            yield False
            return
        turn = _open(self._directory / "leaving.lock")
        fcntl.flock(turn, fcntl.LOCK_EX)  # otherwise two deployers that leave at once would each count the other
        os.close(self._joined)
        self._joined = None
        members = _open(self._members)
        try:
            is_last = _try_lock(members)
            os.close(turn)
            yield is_last
        finally:
            os.close(members)

    @property
    def _members(self) -> Path:
        return self._directory / "deployers.lock"

    async def _lock(self, descriptor: int) -> None:
        deadline = time.monotonic() + self._patience
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                _kill(_read(descriptor))
                deadline = time.monotonic() + self._patience
            await asyncio.sleep(POLL_SECONDS)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(descriptor: int, holder: ProcessReference) -> None:
    try:
        os.pwrite(descriptor, holder.model_dump_json().encode().ljust(RECORD_BYTES), 0)
    except OSError as error:
        log.warning("the holder of the home's lock is not recorded", error=str(error))


def _read(descriptor: int) -> ProcessReference | None:
    try:
        return ProcessReference.model_validate_json(os.pread(descriptor, RECORD_BYTES, 0).strip())
    except (OSError, ValidationError):
        return None


def _kill(holder: ProcessReference | None) -> None:
    if holder is None or holder.pid == os.getpid() or not is_visible(holder) or has_exited(holder):
        log.error("the home is held by a deployer that cannot be ended from here: end it, and this one takes over")
        return
    log.warning("killing a deployer that has lost its lease and still holds the home", pid=holder.pid)
    with suppress(ProcessLookupError, PermissionError):
        os.kill(holder.pid, signal.SIGKILL)
