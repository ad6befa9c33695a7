"""Names, addresses and files of a test cluster."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from support.go_tools import cache
from support.net_namespace import NetNamespace

NODE = "node1"
NODE_ADDRESS = "10.250.0.1"
GATEWAY = "10.250.0.254"
"""The default route of the node; no host has this address."""
POD_NETWORK = "10.244.0.0/16"
NODE_POD_NETWORK = "10.244.0.0/24"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
LOOPBACK = "127.0.0.1"
API_PORT, ETCD_PORT, ETCD_PEER_PORT, METRICS_PORT = 6443, 2379, 2380, 4443
CLUSTER_DOMAIN = "cluster.local"
PAUSE_IMAGE = "klever.test/pause:1"
BUSYBOX_IMAGE = "klever.test/busybox:1"


def clusters() -> Path:
    """The directory of all clusters of this user."""
    directory = cache().parent / "clusters"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@dataclass(frozen=True)
class Layout:
    """The files of one cluster.

    Attributes:
        name: name of its directory.
        simulated: whether kwok simulates the nodes; otherwise the node is real.
    """

    name: str
    simulated: bool = False

    @property
    def directory(self) -> Path:
        """Everything below it belongs to the cluster."""
        return clusters() / self.name

    @property
    def control_group(self) -> str:
        """The name of the control groups, which are unique on the machine, as directories are."""
        return f"{self.name}-{hashlib.sha256(bytes(self.directory)).hexdigest()[:8]}"

    @property
    def lock(self) -> Path:
        """Locked as long as the keeper of the cluster runs (flock); has the keeper's process ID."""
        return clusters() / f"{self.name}.lock"

    @property
    def pki(self) -> Path:
        """Certificates, keys, and the kubeconfig files of the components."""
        return self.directory / "pki"

    @property
    def logs(self) -> Path:
        """One log per component."""
        return self.directory / "log"

    @property
    def wanted(self) -> Path:
        """A file for each component that the supervisor keeps running."""
        return self.directory / "wanted"

    @property
    def process_ids(self) -> Path:
        """A file for each component that runs, with its process ID inside the cluster's PID namespace."""
        return self.directory / "pids"

    @property
    def init(self) -> Path:
        """A file with the process ID, on the host, of the process that holds the namespaces."""
        return self.directory / "init.pid"

    @property
    def ready(self) -> Path:
        """Exists when the node is Ready."""
        return self.directory / "ready"

    @property
    def log(self) -> Path:
        """The durations of the steps, and errors of the keeper and the supervisor; removed when the cluster stops."""
        return clusters() / f"{self.name}.log"

    @property
    def containerd(self) -> Path:
        """Images, snapshots and the socket of containerd."""
        return self.directory / "containerd"

    @property
    def containerd_socket(self) -> Path:
        """The socket of containerd."""
        return self.containerd / "containerd.sock"

    @property
    def kubelet(self) -> Path:
        """The root directory of kubelet, with the volumes of pods."""
        return self.directory / "kubelet"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig file for the host."""
        return self.directory / "kubeconfig"

    def component_kubeconfig(self, user: str) -> Path:
        """A kubeconfig file for processes inside the cluster's network namespace."""
        return self.pki / f"{user}.kubeconfig"

    def program(self, name: str) -> str:
        """The path of a program that `programs.build` built."""
        return str(cache() / name)

    def network(self) -> NetNamespace:
        """The cluster's network namespace. Raises FileNotFoundError if the cluster does not run."""
        return NetNamespace(int(self.init.read_text()), user=os.getuid() != 0)
