"""Detects the parts of the sandbox that this system supports."""

import os
import sys

from .system_calls import AUDIT_ARCHITECTURES

COMPLETE_ABI = 6
"""Landlock since Linux 6.12: files, TCP ports, abstract sockets and signals."""

SystemSupport = tuple[int, bool, tuple[str, ...]]
"""Version of Landlock, whether system calls can be filtered, and missing parts; see `support.Support`."""


def probe() -> SystemSupport:
    """Probe this system."""
    if sys.platform != "linux":
        return 0, False, (f"{sys.platform} has neither Landlock nor seccomp: run Klever on Linux",)
    from .landlock import abi_version  # noqa: PLC0415 - only Linux has what it loads

    machine = os.uname().machine
    is_known = machine in AUDIT_ARCHITECTURES
    return judge(abi_version(), machine, has_filter=is_known and os.path.exists("/proc/sys/kernel/seccomp"))  # noqa: PTH110


def judge(abi: int, machine: str, *, has_filter: bool) -> SystemSupport:
    """Derive the support from these facts."""
    missing = []
    if not abi:
        missing.append("Landlock is not enabled in this kernel: add `landlock` to its `lsm=` parameter")
    elif abi < COMPLETE_ABI:
        missing.append(f"Landlock has ABI {abi}, but {COMPLETE_ABI} is needed: install Linux 6.12 or newer")
    if not has_filter:
        known = " and ".join(AUDIT_ARCHITECTURES)
        missing.append(f"system calls cannot be filtered here ({machine}; needed are seccomp and {known})")
    return abi, has_filter, tuple(missing)
