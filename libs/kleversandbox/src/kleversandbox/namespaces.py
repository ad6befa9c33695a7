"""A mount namespace with a /dev/shm and a /proc of its own, where the system lets the user make one."""

import ctypes
import os

from . import kernel

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_SLAVE = 0x2, 0x4, 0x8, 0x4000, 0x80000
PROCESSES = "/proc"
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - where Linux keeps it


def private_mounts() -> tuple[bool, bool]:
    """Give this process an empty /dev/shm that nothing outside sees, and a /proc that shows it only what it may trace.

    Landlock lets it trace nothing but what it has started. False for each that the system does not allow; for /proc it
    wants root. They go with the last process of the namespace.
    """
    try:
        _new_mount_namespace()
        _mount(b"none", b"/", None, MS_REC | MS_SLAVE, None)
    except OSError:
        return False, False
    memory = _is_mounted(b"tmpfs", SHARED_MEMORY.encode(), b"mode=1777")
    return memory, _is_mounted(b"proc", PROCESSES.encode(), b"hidepid=4")


def _is_mounted(kind: bytes, target: bytes, options: bytes) -> bool:
    try:
        _mount(kind, target, kind, MS_NOSUID | MS_NODEV | MS_NOEXEC, options)
    except OSError:
        return False
    return True


def _new_mount_namespace() -> None:
    """With root's rights, or in a user namespace in which the user is who he was. Raises OSError."""
    user, group = os.geteuid(), os.getegid()
    try:
        _unshare(CLONE_NEWNS)
    except PermissionError:
        _unshare(CLONE_NEWUSER | CLONE_NEWNS)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")


def _unshare(flags: int) -> None:
    kernel.checked(kernel.library().unshare(flags))


def _mount(source: bytes, target: bytes, kind: bytes | None, flags: int, data: bytes | None) -> None:
    kernel.checked(kernel.library().mount(source, target, kind, ctypes.c_ulong(flags), data))


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123 - pathlib costs the launcher milliseconds
        file.write(text)
