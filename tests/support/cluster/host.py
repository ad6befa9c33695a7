"""What a node changes on the machine, and puts back: control groups, kernel settings, the network namespace."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .layout import GATEWAY, NODE_ADDRESS, Layout

CONTROL_GROUPS = Path("/sys/fs/cgroup")
HIERARCHIES = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd", "hugetlb")
"""Those of version 1 in which kubelet keeps pods."""
KERNEL_SETTINGS = (
    *("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"),
    *("kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"),
)
"""kubelet sets these when it starts."""
PROGRAMS = ("go", "etcd", "containerd", "runc", "ctr", "ip", "nsenter", "iptables", "conntrack")
LINK, PEER = "node0", "node0peer"


def refusal() -> str | None:
    """The reason why this machine cannot run a node, for people; None if it can."""
    if os.getuid() != 0:
        return "a node needs root"
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"not installed: {', '.join(missing)}"
    if not (CONTROL_GROUPS / "memory" / "cgroup.procs").exists():
        return "the node is set up for control groups of version 1, which this machine does not mount"
    return None


@contextmanager
def network_namespace(layout: Layout) -> Iterator[None]:
    """Creates the network namespace, with an address for the node and a default route that leads nowhere.

    kubelet and the API server refuse to run without a default route.
    """
    subprocess.run(["ip", "netns", "add", layout.name], check=True)
    try:
        for command in (
            f"ip link add {LINK} type veth peer name {PEER}",
            *(f"ip link set {name} up" for name in ("lo", PEER)),
            f"ip addr add {NODE_ADDRESS}/24 dev {LINK}",
            f"ip link set {LINK} up",
            f"ip route add default via {GATEWAY} dev {LINK}",
            "sysctl -qw net.ipv4.ip_forward=1",
        ):
            subprocess.run(layout.inside(*command.split()), check=True)
        yield
    finally:
        subprocess.run(["ip", "netns", "del", layout.name], check=False)


@contextmanager
def control_groups(layout: Layout) -> Iterator[None]:
    """Creates the parent group of all pods in each hierarchy, and removes it with what pods have left there."""
    groups = [CONTROL_GROUPS / name / layout.name for name in HIERARCHIES if (CONTROL_GROUPS / name).is_dir()]
    for group in groups:
        group.mkdir(exist_ok=True)
    for name in ("cpuset.cpus", "cpuset.mems"):  # empty in a new group, and then no process may join it
        inherited = (CONTROL_GROUPS / "cpuset" / name).read_text()
        (CONTROL_GROUPS / "cpuset" / layout.name / name).write_text(inherited)
    try:
        yield
    finally:
        for group in groups:
            for directory, _, _ in os.walk(group, topdown=False):
                Path(directory).rmdir()


@contextmanager
def kernel_settings() -> Iterator[None]:
    """Puts back the settings of the kernel that kubelet changes."""
    before = {name: _setting(name).read_text() for name in KERNEL_SETTINGS if _setting(name).exists()}
    try:
        yield
    finally:
        restore(before)


def restore(settings: dict[str, str]) -> None:
    """Writes settings of the kernel."""
    for name, value in settings.items():
        _setting(name).write_text(value)


def _setting(name: str) -> Path:
    return Path("/proc/sys") / name
