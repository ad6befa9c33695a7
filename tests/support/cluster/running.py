"""A cluster as tests and developers use it from the host."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import images, network
from .layout import LOOPBACK, NODE_ADDRESS, Layout
from .polling import wait_until

SECONDS_TO_START = 300.0
SECONDS_TO_STOP = 60.0
TESTS = Path(__file__).parents[2]


class ClusterError(Exception):
    """The cluster did not start."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    layout: Layout

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig file; its server is a port of the host's loopback address."""
        return self.layout.kubeconfig

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Runs kubectl as the administrator, and returns its output. Raises CalledProcessError."""
        cache = self.layout.directory / "kubectl-cache"  # not in the home directory
        command = [
            self.layout.program("kubectl"),
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={cache}",
            *arguments,
        ]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, input=stdin).stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        """Creates or changes API objects. Raises CalledProcessError."""
        self.kubectl("apply", "--server-side", "--filename=-", stdin="\n---\n".join(map(json.dumps, objects)))

    def get(self, *arguments: str) -> dict[str, Any]:
        """Returns an API object or a list of them, by the arguments of `kubectl get`. Raises CalledProcessError."""
        content: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return content

    def load_image(self, archive: Path) -> None:
        """Loads an image (see `images.archive`) into containerd. Raises CalledProcessError."""
        images.load(self.layout, archive)

    def inside(self, *command: str) -> tuple[str, ...]:
        """A command line that runs another one in the cluster's network namespace."""
        return self.layout.network().command(*command)

    @contextmanager
    def forward(self, host: str, port: int) -> Iterator[int]:
        """Forwards a free port of the host's loopback address to an address inside the cluster; yields the port.

        Args:
            host: the address of a pod, a Service, or the node.
            port: of that address.
        """
        with (
            network.listener_on_host() as listener,
            forwarder(listener.fileno(), host, port, inside=self),
        ):
            yield int(listener.getsockname()[1])

    @contextmanager
    def expose(self, port: int) -> Iterator[str]:
        """Makes a port of the host's loopback address available to pods; yields the address, `host:port`."""
        with (
            network.listener_in_namespace(self.layout.network().holder) as listener,
            forwarder(listener.fileno(), LOOPBACK, port),
        ):
            yield f"{NODE_ADDRESS}:{listener.getsockname()[1]}"

    def start(self, component: str) -> None:
        """Starts a component, such as `kwok`, or one that was stopped. It is not ready yet when this returns."""
        (self.layout.wanted / component).touch()

    def stop(self, component: str) -> None:
        """Kills a component, which stays stopped."""
        (self.layout.wanted / component).unlink()

    def send_signal(self, component: str, number: signal.Signals) -> None:
        """Sends a signal to a component. The supervisor restarts a component that exits."""
        process = (self.layout.process_ids / component).read_text()
        holder = str(self.layout.network().holder)
        command = ["nsenter", "--target", holder, "--pid", "kill", f"-{number.value}", process]
        subprocess.run(command, check=True)


@contextmanager
def forwarder(descriptor: int, host: str, port: int, *, inside: Cluster | None = None) -> Iterator[None]:
    """Runs the forwarder of a listening socket, on the host or inside a cluster."""
    command = [sys.executable, "-m", "support.cluster.forwarder", str(descriptor), host, str(port)]
    process = subprocess.Popen(
        inside.inside(*command) if inside else command,
        stdin=subprocess.PIPE,
        pass_fds=(descriptor,),
        env=_environment(),
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def namespace(cluster: Cluster) -> Iterator[str]:
    """Creates a namespace with a new name, and deletes it with everything in it."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


@contextmanager
def running(layout: Layout) -> Iterator[Cluster]:
    """Starts a cluster that stops with this process at the latest. Raises ClusterError."""
    log = layout.lock.with_suffix(".log")
    keeper = start_keeper(layout, log, attached=True)
    try:
        wait_until_ready(layout, keeper, log)
        yield Cluster(layout)
    finally:
        keeper.terminate()
        keeper.wait(SECONDS_TO_STOP)
        log.unlink()


def start_keeper(layout: Layout, log: Path, *, attached: bool) -> subprocess.Popen[bytes]:
    """Starts the process that holds the cluster; the cluster is not ready yet."""
    kind = "simulated" if layout.simulated else "real"
    command = [sys.executable, "-m", "support.cluster", "keep", layout.name, f"--nodes={kind}"]
    with log.open("wb") as output:
        return subprocess.Popen(
            [*command, *(["--attached"] if attached else [])],
            stdin=subprocess.PIPE if attached else subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=_environment(),
        )


def wait_until_ready(layout: Layout, keeper: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until a node of the cluster is Ready. Raises ClusterError."""
    wait_until(lambda: layout.ready.exists() or keeper.poll() is not None, SECONDS_TO_START)
    if not layout.ready.exists():
        raise ClusterError(f"The cluster {layout.name!r} did not start:\n{log.read_text()}")


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(TESTS)}
