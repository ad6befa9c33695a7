"""Removes what containers leave on the machine when the node stops: tasks, shims, mounts, network namespaces."""

import json
import signal
import subprocess
from pathlib import Path

import psutil

from .layout import Layout

SHIM = "containerd-shim-runc-v2"


def kill_containers(layout: Layout) -> set[str]:
    """Kills all containers, while containerd still runs.

    Returns:
        The names of the pods' network namespaces.
    """
    namespaces: set[str] = set()
    for container in _ctr(layout, "containers", "list", "--quiet"):
        namespaces |= _network_namespaces(layout, container)
    for task in _ctr(layout, "tasks", "list", "--quiet"):
        _ctr(layout, "tasks", "kill", "--signal", "SIGKILL", task)
    for task in _ctr(layout, "tasks", "list", "--quiet"):
        _ctr(layout, "tasks", "delete", "--force", task)
    return namespaces


def remove_remains(layout: Layout, namespaces: set[str]) -> None:
    """Ends the shims of the cluster's containerd, unmounts what is below its directory, removes namespaces."""
    for process in psutil.process_iter(["name", "cmdline"]):
        command = process.info["cmdline"] or []
        if SHIM in " ".join(command[:1]) and str(layout.containerd_socket) in command:
            process.send_signal(signal.SIGKILL)
    for mount in reversed(_mounts_below(layout.directory)):
        subprocess.run(["umount", "--lazy", mount], check=False)
    for name in namespaces:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def _network_namespaces(layout: Layout, container: str) -> set[str]:
    described = json.loads("\n".join(_ctr(layout, "containers", "info", container)) or "{}")
    namespaces = described.get("Spec", {}).get("linux", {}).get("namespaces", [])
    paths = [each["path"] for each in namespaces if each.get("type") == "network" and "path" in each]
    return {Path(path).name for path in paths if Path(path).name.startswith("cni-")}


def _ctr(layout: Layout, *arguments: str) -> list[str]:
    command = ["ctr", f"--address={layout.containerd_socket}", "--namespace=k8s.io", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.splitlines()


def _mounts_below(directory: Path) -> list[str]:
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [mount for mount in mounts if Path(mount).is_relative_to(directory)]
