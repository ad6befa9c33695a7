"""Holds a cluster, and removes it: the process on the host that outlives a test run that is killed."""

import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

from . import certificates, control_groups, isolation, node
from .layout import Layout
from .network import listener_on_host
from .polling import wait_until

SECONDS_TO_FORK, SECONDS_TO_EXIT = 10.0, 10.0


def keep(layout: Layout, *, attached: bool) -> int:
    """Runs a cluster until SIGTERM, and removes it.

    Args:
        layout: layout of the cluster.
        attached: whether the cluster also stops when the standard input is closed.

    Returns:
        The exit code: 1 if the cluster exited before.
    """
    stop_reader, stop_writer = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(stop_writer, b"x"))
    with locked(layout):
        remove_files_and_processes(layout)
        try:
            code = _run(layout, [stop_reader, *([sys.stdin.fileno()] if attached else [])])
        finally:
            remove_files_and_processes(layout)
        if code == 0:
            layout.log.unlink(missing_ok=True)
        return code


def remove_files_and_processes(layout: Layout) -> None:
    """Removes the remains of a cluster. The caller holds the cluster's lock."""
    control_groups.remove(layout.control_group)
    shutil.rmtree(layout.directory, ignore_errors=True)


@contextmanager
def locked(layout: Layout, *, wait: bool = True) -> Iterator[None]:
    """Holds the lock of a cluster. Raises BlockingIOError if `wait` is false and another process holds it."""
    while True:
        with layout.lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if not _is_same_file(lock, layout.lock):  # the previous holder removed it
                continue
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            try:
                yield
            finally:
                layout.lock.unlink()
            return


def running_keeper(layout: Layout) -> psutil.Process | None:
    """The process that keeps a cluster, if one does."""
    try:
        with locked(layout, wait=False):
            return None
    except BlockingIOError:
        return psutil.Process(int(layout.lock.read_text()))


def _is_same_file(opened: IO[str], path: Path) -> bool:
    return path.exists() and os.path.samestat(os.fstat(opened.fileno()), path.stat())


def _run(layout: Layout, until_readable: list[int]) -> int:
    """Runs the cluster until one of the descriptors is readable or closed. Returns 1 if the cluster exits before."""
    layout.logs.mkdir(parents=True)
    if not layout.simulated:
        control_groups.create(layout.control_group)
    listener = listener_on_host()
    certificates.write_certificates(layout, host_port=listener.getsockname()[1])
    node.write_configuration(layout)
    unshare = subprocess.Popen(
        [*isolation.unshare(), *_init_command(layout, listener.fileno())],
        stdin=subprocess.PIPE,
        pass_fds=(listener.fileno(),),
    )
    listener.close()
    try:
        init = _child(unshare)
        layout.init.write_text(str(init.pid))
        exited = os.pidfd_open(unshare.pid)
        readable, _, _ = select.select([exited, *until_readable], [], [])
        return 1 if exited in readable else 0
    finally:
        _stop(unshare)


def _init_command(layout: Layout, api_listener: int) -> list[str]:
    kind = "simulated" if layout.simulated else "real"
    return [sys.executable, "-m", "support.cluster.init", layout.name, kind, str(api_listener)]


def _child(unshare: subprocess.Popen[bytes]) -> psutil.Process:
    """Process 1 of the namespaces, which unshare starts."""
    wait_until(lambda: unshare.poll() is not None or psutil.Process(unshare.pid).children(), SECONDS_TO_FORK)
    if unshare.poll() is not None or not (children := psutil.Process(unshare.pid).children()):
        raise RuntimeError(f"unshare did not start process 1; exit code {unshare.returncode}")
    return children[0]


def _stop(unshare: subprocess.Popen[bytes]) -> None:
    """Ends process 1, and with it all processes of the PID namespace; unshare exits when the last one is gone."""
    assert unshare.stdin is not None
    unshare.stdin.close()
    try:
        unshare.wait(SECONDS_TO_EXIT)
    except subprocess.TimeoutExpired:
        _child(unshare).kill()
        unshare.wait()
