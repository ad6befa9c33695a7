"""A mount namespace with private /dev/shm and /proc, if the system allows users to create one."""

import ctypes
import os

from . import kernel

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_SLAVE = 0x2, 0x4, 0x8, 0x4000, 0x80000
PROCESSES = "/proc"
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - where Linux keeps it


def private_mounts() -> tuple[bool, bool]:
    """Give this process an empty private /dev/shm, and a /proc that shows only processes that it may trace.

    Landlock allows it to trace only its children. The result is False for each that the system does not allow; /proc
    requires root. Both are removed with the last process of the namespace.
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
    """Use root's rights, or a user namespace in which the user keeps its id. Raises OSError."""
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
