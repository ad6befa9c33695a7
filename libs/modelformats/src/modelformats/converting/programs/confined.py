"""Run one of the programs within limits: `python -m programs.confined <limits as JSON> <program> <request>`.

The limits are set in this process before the program's own module is imported, so that everything a model makes a
framework do is within them. Only the standard library is imported.
"""

import ctypes
import fcntl
import json
import os
import resource
import runpy
import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP_AND_RUNNING = 0x8914, 0x41
_GIBI = 2**30


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    """Lower a limit; one that is lower already stays."""
    highest = resource.getrlimit(kind)[1]
    wanted = (soft, soft if hard is None else hard)
    resource.setrlimit(
        kind, wanted if highest == resource.RLIM_INFINITY else (min(wanted[0], highest), min(wanted[1], highest))
    )


def _limit_resources(limits: dict[str, int]) -> None:
    memory = limits["memory_bytes"]
    # What a process has written to or may write to is limited, and more loosely the addresses it has reserved:
    # frameworks and the JVM reserve gigabytes that they never touch.
    _limit(resource.RLIMIT_DATA, memory)
    _limit(resource.RLIMIT_AS, 2 * memory + 4 * _GIBI)
    _limit(resource.RLIMIT_CPU, limits["cpu_seconds"], limits["cpu_seconds"] + 1)
    _limit(resource.RLIMIT_FSIZE, limits["file_bytes"])
    _limit(resource.RLIMIT_NPROC, _threads_of_user() + limits["processes"])
    _limit(resource.RLIMIT_CORE, 0)


def _threads_of_user() -> int:
    """The system counts a user's threads all together, so the program's own are on top of these."""
    count = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError, KeyError, ValueError):  # the process may have ended meanwhile
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            if int(fields["Uid"].split()[0]) == os.getuid():
                count += int(fields["Threads"])
    return count


def _leave_network() -> None:
    """Move into a network of our own that has only the loopback; the system may not allow it.

    Raises OSError where it does not.
    """
    library = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if library.unshare(_CLONE_NEWNET) != 0:
        if library.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as interface:
        fcntl.ioctl(interface, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP_AND_RUNNING))


def _confine(limits: dict[str, int]) -> None:
    # The death of the process that watches over the limits ends this one too.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    try:
        _leave_network()
    except OSError as error:
        sys.stderr.write(f"this system does not allow to run the conversion without a network ({error.strerror})\n")
    _limit_resources(limits)


if __name__ == "__main__":
    _confine(json.loads(sys.argv[1]))
    name = f"programs.{sys.argv[2]}"
    del sys.argv[1:3]
    runpy.run_module(name, run_name="__main__", alter_sys=True)
