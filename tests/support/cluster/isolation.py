"""Namespaces in which a cluster runs, so that the kernel removes its processes, mounts and interfaces with them.

Process 1 of the PID namespace is the supervisor (`init.py`). When it exits, the kernel kills all other processes of the
cluster, pods included; with the last process go the mounts and the network interfaces.
"""

import os
import subprocess
from pathlib import Path

from .layout import Layout

KERNEL_SETTINGS = (
    *("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"),
    *("kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"),
)
"""kubelet writes these when it starts. They belong to the whole machine, so kubelet sees copies instead."""
COPIED_DIRECTORIES = ("/var/lib", "/var/log")
"""Programs write to fixed paths below these: CNI results, the logs of containers."""


def unshare() -> tuple[str, ...]:
    """A command line that runs another one as process 1 of new namespaces."""
    user = () if os.getuid() == 0 else ("--user", "--map-root-user")
    namespaces = ("--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc", "--propagation=private")
    return "unshare", *user, *namespaces


def separate_files(layout: Layout) -> None:
    """Mounts copies over the files of the host that a node changes. Called inside the mount namespace."""
    _run("mount", "-t", "tmpfs", "tmpfs", "/run")
    for directory in COPIED_DIRECTORIES:
        _mount_copy(directory, layout.directory / "copies" / directory.replace("/", "-"))
    settings = layout.directory / "kernel-settings"
    settings.mkdir()
    for name in KERNEL_SETTINGS:
        setting, copy = Path("/proc/sys") / name, settings / name.replace("/", ".")
        copy.write_text(setting.read_text())
        _run("mount", "--bind", str(copy), str(setting))
    _run("mount", "--make-rshared", "/")  # for volumes with mount propagation


def _mount_copy(directory: str, changes: Path) -> None:
    upper, work = changes / "upper", changes / "work"
    upper.mkdir(parents=True)
    work.mkdir()
    _run("mount", "-t", "overlay", "-o", f"lowerdir={directory},upperdir={upper},workdir={work}", "overlay", directory)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
