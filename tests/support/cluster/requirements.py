"""Checks whether this machine can run a test cluster."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .control_groups import CONTROL_GROUPS
from .layout import clusters

PROGRAMS = ("go", "etcd", "ip", "nsenter", "unshare")
NODE_PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr", "runc", "busybox", "iptables", "conntrack")
CNI_PLUGINS = "/usr/lib/cni"


def missing_for_control_plane() -> str | None:
    """Returns the reason why this machine cannot run a control plane, or None if it can."""
    return _missing(PROGRAMS) or _unshare_error()


def missing_for_node() -> str | None:
    """Returns the reason why this machine cannot run a real node, or None if it can."""
    if os.getuid() != 0:
        return "a node needs root"
    if reason := _missing(NODE_PROGRAMS):
        return reason
    if not Path(CNI_PLUGINS, "bridge").exists():
        return f"{CNI_PLUGINS}/bridge is not installed; install the Debian package containernetworking-plugins"
    if subprocess.run(["ldd", shutil.which("busybox") or ""], check=False, capture_output=True).returncode == 0:
        return "busybox is not static; install the Debian package busybox-static"
    if not os.access(CONTROL_GROUPS / "memory" / "cgroup.procs", os.W_OK):
        return f"{CONTROL_GROUPS}/memory is not a writable control group hierarchy of version 1"
    return _overlay_error()


def _missing(programs: tuple[str, ...]) -> str | None:
    missing = [name for name in programs if shutil.which(name) is None]
    return f"{', '.join(missing)} not found in PATH" if missing else None


def _unshare_error() -> str | None:
    user = () if os.getuid() == 0 else ("--user", "--map-root-user")
    command = ["unshare", *user, "--mount", "--pid", "--net", "--fork", "true"]
    completed = subprocess.run(command, check=False, capture_output=True, text=True)
    return completed.stderr.strip() or f"{command} failed" if completed.returncode else None


def _overlay_error() -> str | None:
    """Containers and the copies of the host's directories are overlays, which not every file system carries."""
    with tempfile.TemporaryDirectory(dir=clusters()) as directory:
        lower, upper, work = (Path(directory) / name for name in ("lower", "upper", "work"))
        for path in (lower, upper, work):
            path.mkdir()
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        command = ["unshare", "--mount", "mount", "-t", "overlay", "-o", options, "overlay", str(lower)]
        completed = subprocess.run(command, check=False, capture_output=True, text=True)
    return f"no overlay can be mounted in {clusters()}: {completed.stderr.strip()}" if completed.returncode else None
