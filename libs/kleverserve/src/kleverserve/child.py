"""A server as a child process, which is stopped with us, and killed by the kernel when we exit."""

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
    """A child process whose output goes to our standard output as it comes.

    Linux only: the kernel kills the child when the thread that started it ends, so start it from the main thread.
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
        """Its exit code; None if it still runs after so many seconds."""
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
    """Whether the process was stopped, by SIGTERM or SIGINT."""

    def __init__(self) -> None:
        self.asked = False
        self._on_stop: Callable[[], None] = _nothing

    def __call__(self, _signum: int, _frame: FrameType | None) -> None:
        """Handle the signal."""
        self.asked = True
        self._on_stop()

    @contextmanager
    def calling(self, action: Callable[[], None]) -> Iterator[None]:
        """Inside, call `action` on a stop signal, and immediately if it was received before."""
        self._on_stop = action
        if self.asked:
            action()
        try:
            yield
        finally:
            self._on_stop = _nothing


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Inside, SIGTERM and SIGINT only set the `Stop`."""
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
        if os.getppid() != parent:  # it exited before the call
            os._exit(1)

    return in_child
