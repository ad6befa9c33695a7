"""A cluster as tests and developers use it from the host."""

import json
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import images, network
from .forwarding import forwarder
from .layout import BUSYBOX_IMAGE, LOOPBACK, NODE_ADDRESS, Layout, clusters
from .polling import wait_until

SECONDS_FOR_ACCOUNT = 60.0
SECONDS_TO_STOP = 30.0
FOREIGN_BUSYBOX_IMAGE = "busybox:1.36"


class ForeignClusterError(Exception):
    """The tests did not start the cluster, so they cannot reach its network, its processes or its images."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes:
        kubeconfig: the administrator's file; the server of an own cluster is a port of the host's loopback address.
        busybox: an image of busybox that the nodes have or can pull.
        own: the files of a cluster that the tests or `task cluster:up` started; None for any other cluster.
    """

    kubeconfig: Path
    busybox: str
    own: Layout | None = None

    @property
    def layout(self) -> Layout:
        """The files of the cluster. Raises ForeignClusterError."""
        if self.own is None:
            raise ForeignClusterError(f"{self.kubeconfig} names a cluster that these tests did not start")
        return self.own

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Runs kubectl as the administrator, and returns its output. Raises CalledProcessError."""
        command = [*self._kubectl(), f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, input=stdin).stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        """Creates or changes API objects. Raises CalledProcessError."""
        self.kubectl("apply", "--server-side", "--filename=-", stdin=_manifest(objects))

    def refusal(self, *objects: dict[str, Any]) -> str:
        """The reason why the API server refuses to apply objects. Raises AssertionError if it accepts them."""
        command = [*self._kubectl(), f"--kubeconfig={self.kubeconfig}", "apply", "--server-side", "--filename=-"]
        completed = subprocess.run(command, check=False, capture_output=True, text=True, input=_manifest(objects))
        assert completed.returncode != 0, completed.stdout
        return completed.stderr

    def get(self, *arguments: str) -> dict[str, Any]:
        """Returns an API object or a list of them, by the arguments of `kubectl get`. Raises CalledProcessError."""
        content: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return content

    @contextmanager
    def namespace(self) -> Iterator[str]:
        """Creates a namespace with a new name, in which pods can be created, and deletes it with everything in it."""
        name = f"test-{secrets.token_hex(4)}"
        self.kubectl("create", "namespace", name)
        account = ("get", "serviceaccount", "default", "-n", name, "--ignore-not-found", "--output=name")
        try:
            wait_until(lambda: self.kubectl(*account), SECONDS_FOR_ACCOUNT)
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false")

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
            port: port of that address.
        """
        inside = self.layout.network()
        with network.listener_on_host() as listener, forwarder(listener.fileno(), host, port, inside=inside):
            yield int(listener.getsockname()[1])

    @contextmanager
    def expose(self, port: int) -> Iterator[str]:
        """Makes a port of the host's loopback address available to pods; yields the address, `host:port`."""
        holder = self.layout.network().holder
        with network.listener_in_namespace(holder) as listener, forwarder(listener.fileno(), LOOPBACK, port):
            yield f"{NODE_ADDRESS}:{listener.getsockname()[1]}"

    def start(self, component: str) -> None:
        """Starts a component, such as `kwok`, or one that was stopped. It is not ready yet when this returns."""
        (self.layout.wanted / component).touch()

    def stop(self, component: str) -> None:
        """Kills a component, which stays stopped, and waits until it has exited. Raises TimeoutError."""
        (self.layout.wanted / component).unlink()
        if not wait_until(lambda: not (self.layout.process_ids / component).exists(), SECONDS_TO_STOP):
            raise TimeoutError(f"{component} was killed and has not exited")

    def send_signal(self, component: str, number: signal.Signals) -> None:
        """Sends a signal to a component. The supervisor restarts a component that exits."""
        process = (self.layout.process_ids / component).read_text()
        holder = str(self.layout.network().holder)
        command = ["nsenter", "--target", holder, "--pid", "kill", f"-{number.value}", process]
        subprocess.run(command, check=True)

    def _kubectl(self) -> list[str]:
        if self.own is None:
            return [shutil.which("kubectl") or "kubectl"]
        return [self.own.program("kubectl"), f"--cache-dir={self.own.directory / 'kubectl-cache'}"]


def _manifest(objects: tuple[dict[str, Any], ...]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def own_cluster(layout: Layout) -> Cluster:
    """A cluster that `running` or `task cluster:up` started."""
    return Cluster(layout.kubeconfig, BUSYBOX_IMAGE, layout)


def named_by_environment() -> Cluster | None:
    """The cluster that KUBECONFIG names, if it is set.

    KLEVER_TEST_BUSYBOX names an image of busybox that the nodes of a foreign cluster can pull.
    """
    if not (value := os.environ.get("KUBECONFIG")):
        return None
    kubeconfig = Path(value).absolute()
    if kubeconfig.parent.parent == clusters():
        return own_cluster(Layout(kubeconfig.parent.name))
    return Cluster(kubeconfig, os.environ.get("KLEVER_TEST_BUSYBOX", FOREIGN_BUSYBOX_IMAGE))
