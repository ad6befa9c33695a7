"""Names, addresses and files of a test cluster."""

from dataclasses import dataclass
from pathlib import Path

NODE = "node1"
NODE_ADDRESS = "10.250.0.1"
GATEWAY = "10.250.0.254"
"""The default route of the node; nothing is behind it."""
POD_NETWORK = "10.244.0.0/16"
NODE_POD_NETWORK = "10.244.0.0/24"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
API_PORT, ETCD_PORT, ETCD_PEER_PORT = 6443, 2379, 2380
CLUSTER_DOMAIN = "cluster.local"
PAUSE_IMAGE = "klever.test/pause:1"


@dataclass(frozen=True)
class Layout:
    """Where a cluster keeps its files.

    Attributes:
        directory: everything below it belongs to the cluster.
        name: of its network namespace and its control groups; unique on the machine.
        binaries: the programs of Kubernetes.
    """

    directory: Path
    name: str
    binaries: Path

    @property
    def pki(self) -> Path:
        """Certificates, keys and kubeconfig files."""
        return self.directory / "pki"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.directory / "log"

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
    def network_namespace(self) -> Path:
        """The file by which the namespace is entered."""
        return Path("/run/netns") / self.name

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig file of a user."""
        return self.pki / f"{user}.kubeconfig"

    def program(self, name: str) -> str:
        """The path of a program of Kubernetes."""
        return str(self.binaries / name)

    def inside(self, *command: str) -> tuple[str, ...]:
        """A command line that runs another one in the cluster's network namespace.

        `ip netns exec` is no alternative: it mounts /sys again, which hides the control groups from kubelet.
        """
        return "nsenter", f"--net={self.network_namespace}", *command
