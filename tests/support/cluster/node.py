"""Configuration and command lines of containerd, kubelet, kube-proxy and CoreDNS."""

import json

from .control_groups import kubelet_root
from .layout import (
    CLUSTER_DOMAIN,
    DNS_SERVICE,
    NODE,
    NODE_ADDRESS,
    NODE_POD_NETWORK,
    PAUSE_IMAGE,
    POD_NETWORK,
    Layout,
)
from .requirements import CNI_PLUGINS
from .supervisor import Component

UNUSED_PLUGINS = ("snapshotter.v1.btrfs", "snapshotter.v1.zfs", "snapshotter.v1.devmapper", "snapshotter.v1.aufs")


def write_configuration(layout: Layout) -> None:
    """Writes the files that the command lines name."""
    for directory in (layout.containerd, layout.kubelet, layout.directory / "cni"):
        directory.mkdir(parents=True, exist_ok=True)
    (layout.directory / "containerd.toml").write_text(_containerd(layout))
    (layout.directory / "kubelet.json").write_text(json.dumps(_kubelet(layout)))
    (layout.directory / "kube-proxy.json").write_text(json.dumps(_kube_proxy(layout)))
    (layout.directory / "cni" / "pods.conflist").write_text(json.dumps(_pod_network(layout)))


def components(layout: Layout) -> list[Component]:
    """The components of the node. containerd has directories of its own, beside any other on the machine."""
    return [
        Component("containerd", ["containerd", f"--config={layout.directory / 'containerd.toml'}"]),
        Component("kubelet", _kubelet_command(layout)),
        Component("kube-proxy", [layout.program("kube-proxy"), f"--config={layout.directory / 'kube-proxy.json'}"]),
    ]


def _kubelet_command(layout: Layout) -> list[str]:
    return [
        *(layout.program("kubelet"), f"--config={layout.directory / 'kubelet.json'}"),
        *(f"--kubeconfig={layout.component_kubeconfig('kubelet')}", f"--root-dir={layout.kubelet}"),
        *(f"--hostname-override={NODE}", f"--node-ip={NODE_ADDRESS}", f"--cert-dir={layout.directory / 'kubelet-pki'}"),
    ]


def _containerd(layout: Layout) -> str:
    disabled = json.dumps([f"io.containerd.{name}" for name in UNUSED_PLUGINS])
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "{layout.containerd / "root"}"
state = "{layout.containerd / "state"}"
disabled_plugins = {disabled}
[grpc]
address = "{layout.containerd_socket}"
[{cri}]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
[{cri}.containerd]
snapshotter = "overlayfs"
[{cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[{cri}.containerd.runtimes.runc.options]
SystemdCgroup = false
[{cri}.cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = "{layout.directory / "cni"}"
"""


def _kubelet(layout: Layout) -> dict[str, object]:
    """Looks often, evicts nothing: the machine's disk and memory are not the node's."""
    nothing = dict.fromkeys(("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available"), "0%")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(layout.pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(layout.pki / "kubelet-server.key"),
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": kubelet_root(layout.control_group),
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "failCgroupV1": False,
        "oomScoreAdj": 0,
        "makeIPTablesUtilChains": False,
        "clusterDomain": CLUSTER_DOMAIN,
        "clusterDNS": [DNS_SERVICE],
        "resolvConf": "",
        "volumePluginDir": str(layout.directory / "volume-plugins"),
        "evictionHard": nothing,
        "imageGCHighThresholdPercent": 100,
        "imageMinimumGCAge": "24h",
        "syncFrequency": "5s",
        "nodeStatusUpdateFrequency": "5s",
        "shutdownGracePeriod": "0s",
    }


def _kube_proxy(layout: Layout) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "hostnameOverride": NODE,
        "clusterCIDR": POD_NETWORK,
        "bindAddress": NODE_ADDRESS,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "clientConnection": {"kubeconfig": str(layout.component_kubeconfig("kube-proxy"))},
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def _pod_network(layout: Layout) -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "dataDir": str(layout.directory / "addresses"),
        "ranges": [[{"subnet": NODE_POD_NETWORK}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]}
