"""Resource limits for each process of a program: setrlimit(2)."""

import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .policy import Limits

GIBI = 2**30


def limit_resources(limits: "Limits") -> None:
    """Lower the limits; a limit that is already lower is kept.

    Core dumps are disabled, since they may contain secrets.
    """
    _limit(resource.RLIMIT_CORE, 0)
    if limits.memory_bytes is not None:
        _limit(resource.RLIMIT_DATA, limits.memory_bytes)
        _limit(resource.RLIMIT_AS, 2 * limits.memory_bytes + 4 * GIBI)
    if limits.address_bytes is not None:
        _limit(resource.RLIMIT_AS, limits.address_bytes)
    if limits.cpu_seconds is not None:
        _limit(resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1)
    if limits.file_bytes is not None:
        _limit(resource.RLIMIT_FSIZE, limits.file_bytes)
    if limits.processes is not None and os.path.isdir("/proc/self"):  # noqa: PTH112 - as below; macOS has none
        _limit(resource.RLIMIT_NPROC, threads_of_user() + limits.processes)


def threads_of_user() -> int:
    """Return the number of the user's threads: the system counts all of them together, so the limit is added to it."""
    count = 0
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib costs the launcher milliseconds
        if name.isdigit():
            try:
                count += _threads(f"/proc/{name}/status")
            except (OSError, KeyError, ValueError):
                continue
    return count


def _threads(path: str) -> int:
    with open(path) as file:  # noqa: PTH123 - as above
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["Threads"]) if int(fields["Uid"].split()[0]) == os.getuid() else 0


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    highest = resource.getrlimit(kind)[1]
    wanted = (soft, soft if hard is None else hard)
    if highest != resource.RLIM_INFINITY:
        wanted = (min(wanted[0], highest), min(wanted[1], highest))
    resource.setrlimit(kind, wanted)
