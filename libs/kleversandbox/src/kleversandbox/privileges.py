"""Drops rights of a process: capabilities, ways to gain some, and system calls."""

import ctypes
import os

from . import kernel
from .kernel import prctl

SIGKILL = 9
"""importing `signal` would import `enum`"""
CAPABILITY_VERSION = 0x20080522
_KEEP_NO_CAPABILITIES = 0x2F
"""SECBIT_NOROOT, _NO_SETUID_FIXUP and _NO_CAP_AMBIENT_RAISE, each with its lock: root has no special rights."""
_BYTES_OF_INSTRUCTION = 8


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent, which had this id, exits. Raises ProcessLookupError."""
    prctl(kernel.PR_SET_PDEATHSIG, SIGKILL)
    if os.getppid() != parent:
        raise ProcessLookupError("the process that wanted this program has ended")


def drop_capabilities() -> None:
    """Drop all capabilities, now and after any execve. Raises OSError."""
    prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL)
    if _has_all():
        for capability in range(_last_capability() + 1):
            prctl(kernel.PR_CAPBSET_DROP, capability)
        prctl(kernel.PR_SET_SECUREBITS, _KEEP_NO_CAPABILITIES)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    kernel.checked(kernel.library().capset(header, (ctypes.c_uint32 * 6)()))


def no_new_privileges() -> None:
    """Prevent gaining privileges by execution: set-user-ID and file capabilities have no effect."""
    prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)


def install_filter(program: bytes) -> None:
    """Let the kernel apply this filter to every system call. Raises OSError."""
    attributes = _Program(len(program) // _BYTES_OF_INSTRUCTION, program)
    prctl(kernel.PR_SET_SECCOMP, kernel.SECCOMP_MODE_FILTER, ctypes.addressof(attributes))


def _has_all() -> bool:
    """Return whether the bounding set may be changed: CAP_SETPCAP is in effect."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()
    kernel.checked(kernel.library().capget(header, sets))
    return bool(sets[0] & 1 << 8)


def _last_capability() -> int:
    with open("/proc/sys/kernel/cap_last_cap") as file:  # noqa: PTH123 - pathlib costs the launcher milliseconds
        return int(file.read())
