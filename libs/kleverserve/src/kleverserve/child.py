"""A server as a child process.

It is stopped together with this process, and killed by the kernel when this one exits.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

PR_SET_PDEATHSIG = 1


class Child:
    """A child process that inherits standard output.

    Linux only. The kernel kills the child when the thread that started it exits, so start it in the main thread.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        sys.stdout.flush()
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509  # we run no threads
        )

    def wait(self, *, within: float | None) -> int | None:
        """Return its exit code; None if it still runs after a number of seconds."""
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL. Like `terminate`, it does not wait, so that a signal handler may call it inside `wait`."""
        self._process.kill()


class Stop:
    """Records whether the process received SIGTERM or SIGINT."""

    def __init__(self) -> None:
        self.asked = False
        self._on_stop: Callable[[], None] = _nothing

    def __call__(self, _signum: int, _frame: FrameType | None) -> None:
        """Handle the signal."""
        self.asked = True
        self._on_stop()

    @contextmanager
    def calling(self, action: Callable[[], None]) -> Iterator[None]:
        """Call `action` when a stop signal is received during the block, or immediately if one was received before."""
        self._on_stop = action
        if self.asked:
            action()
        try:
            yield
        finally:
            self._on_stop = _nothing


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Let SIGTERM and SIGINT only set the `Stop` during the block."""
    stop = Stop()
    before = {signum: signal.signal(signum, stop) for signum in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _nothing() -> None:
    pass


def _die_with(parent: int) -> Callable[[], None]:
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def in_child() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the child exited before the call
            os._exit(1)

    return in_child
