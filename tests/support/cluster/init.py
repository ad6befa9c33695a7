"""`python -m support.cluster.init NAME real|simulated FD`: process 1 of a cluster. It exits with its standard input."""

import os
import shutil
import sys
import threading

from . import addons, api, control_groups, control_plane, images, isolation, network, node, objects
from .layout import API_PORT, BUSYBOX_IMAGE, LOOPBACK, PAUSE_IMAGE, Layout
from .supervisor import Component, Supervisor

BUSYBOX_COMMANDS = ("sh", "cat", "echo", "env", "httpd", "ls", "nc", "nslookup", "sleep", "wget")
DEFAULT_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


def main(name: str, node_kind: str, api_listener: int) -> None:
    """Starts the cluster, and keeps it running.

    Args:
        name: name of the cluster.
        node_kind: `real` or `simulated`.
        api_listener: a socket that listens on the host; its connections are forwarded to the API server.
    """
    threading.Thread(target=_exit_with_stdin, daemon=True).start()
    layout = Layout(name, simulated=node_kind == "simulated")
    if not layout.simulated:
        control_groups.join(layout.control_group)
        isolation.separate_files(layout)
    network.create_interfaces()
    supervisor = Supervisor(layout, _components(layout, api_listener))
    _start(supervisor, layout)
    layout.ready.touch()
    supervisor.run()


def _exit_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def _components(layout: Layout, api_listener: int) -> list[Component]:
    forwarder = [sys.executable, "-m", "support.cluster.forwarder", str(api_listener), LOOPBACK, str(API_PORT)]
    return [
        Component("forwarder", forwarder, descriptors=(api_listener,)),
        *control_plane.components(layout),
        *addons.components(layout),
        *([] if layout.simulated else node.components(layout)),
    ]


def _start(supervisor: Supervisor, layout: Layout) -> None:
    supervisor.want("forwarder", "etcd", "kube-apiserver")
    if not layout.simulated:
        supervisor.want("containerd")
        supervisor.wait("containerd", layout.containerd_socket.exists)
        _load_images(layout)
        supervisor.report("images loaded")
    supervisor.wait("kube-apiserver", lambda: api.responds(layout, "/readyz"))
    supervisor.want("kube-controller-manager", "kube-scheduler")
    if layout.simulated:
        supervisor.want("kwok")
    else:
        supervisor.want("kubelet", "kube-proxy", "coredns", "metrics-server")
    objects.create(layout)
    supervisor.report("objects created")
    supervisor.wait("kube-controller-manager", lambda: api.responds(layout, DEFAULT_ACCOUNT))
    supervisor.wait("kwok" if layout.simulated else "kubelet", lambda: api.has_ready_node(layout))


def _load_images(layout: Layout) -> None:
    busybox = images.root_with(layout, "busybox", shutil.which("busybox") or "", names=BUSYBOX_COMMANDS)
    pause = images.root_with(layout, "pause", layout.program("pause"))
    for image, root, program in ((PAUSE_IMAGE, pause, "/bin/pause"), (BUSYBOX_IMAGE, busybox, "/bin/sh")):
        layer = images.layer(root, root.with_suffix(".layer"))
        images.load(layout, images.archive(image, [layer], root.with_suffix(".tar"), entrypoint=(program,)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
