"""Starts and stops a cluster from the host."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .cluster import Cluster, own_cluster
from .forwarding import environment
from .layout import Layout
from .polling import wait_until

SECONDS_TO_START = 300.0
SECONDS_TO_STOP = 60.0


class ClusterError(Exception):
    """The cluster did not start."""


@contextmanager
def running(layout: Layout) -> Iterator[Cluster]:
    """Starts a cluster that stops with this process at the latest. Raises ClusterError."""
    keeper = start_keeper(layout, attached=True)
    try:
        wait_until_ready(layout, keeper)
        yield own_cluster(layout)
    finally:
        keeper.terminate()
        keeper.communicate(timeout=SECONDS_TO_STOP)
        layout.log.unlink(missing_ok=True)


def start_keeper(layout: Layout, *, attached: bool) -> subprocess.Popen[bytes]:
    """Starts the process that holds the cluster; the cluster is not ready yet."""
    kind = "simulated" if layout.simulated else "real"
    command = [sys.executable, "-m", "support.cluster", "keep", layout.name, f"--nodes={kind}"]
    with layout.log.open("wb") as output:
        return subprocess.Popen(
            [*command, *(["--attached"] if attached else [])],
            stdin=subprocess.PIPE if attached else subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=environment(),
        )


def wait_until_ready(layout: Layout, keeper: subprocess.Popen[bytes]) -> None:
    """Waits until a node of the cluster is Ready. Raises ClusterError."""
    wait_until(lambda: layout.ready.exists() or keeper.poll() is not None, SECONDS_TO_START)
    if not layout.ready.exists():
        raise ClusterError(f"The cluster {layout.name!r} did not start:\n{layout.log.read_text()}")
