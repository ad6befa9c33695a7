"""The rights of a program; everything else is denied."""

import marshal
from typing import NamedTuple

MEBI = 2**20


class Limits(NamedTuple):
    """Limits for each process of the program; None does not change a limit."""

    memory_bytes: int | None = None
    """Memory that it may write to.

    Twice as much plus 4 GiB may be reserved: frameworks and the JVM do not use all of it.
    """
    address_bytes: int | None = None
    """Memory that it may reserve, instead of the above."""
    cpu_seconds: int | None = None
    file_bytes: int | None = None
    """Maximum size of each file that it writes."""
    processes: int | None = None
    """Number of processes and threads, in addition to those of the user when it starts."""


class Policy(NamedTuple):
    """A program with its rights.

    Paths that do not exist are ignored. A path means the file or directory that it points to when the program starts,
    with its content.
    """

    command: tuple[str, ...]
    environment: dict[str, str]
    """All environment variables."""
    directory: str
    """Working directory."""
    execute: tuple[str, ...] = ()
    """Paths that it may read and execute."""
    read: tuple[str, ...] = ()
    """Paths that it may read."""
    write: tuple[str, ...] = ()
    """Paths that it may read, execute, write, create and remove."""
    make_directories: tuple[str, ...] = ()
    """Paths where it may create directories and remove empty ones, but not list, read or write anything."""
    listen: tuple[int, ...] = ()
    """TCP ports that it may listen on."""
    connect: tuple[int, ...] = ()
    """TCP ports that it may connect to."""
    egress: bool = False
    """True if it may connect to any TCP port and send UDP."""
    needs_shared_memory: bool = False
    """True to provide the system's /dev/shm if a private one is not available."""
    needs_processes: bool = False
    """True if its children must read their own entries of /proc.

    If a private /proc is not available, it may then read, but not list, the facts that the kernel shows about all
    processes, such as their command lines.
    """
    dies_with_parent: bool = False
    limits: Limits = Limits()
    complete: bool = True
    """True to reject it if the system does not support a part of the sandbox; otherwise it runs with the other
    parts.
    """

    @property
    def has_network(self) -> bool:
        """True if it may use TCP."""
        return bool(self.listen or self.connect or self.egress)


def dump_policy(policy: Policy) -> bytes:
    """Serialize the policy for the launcher, which runs in the same interpreter; see `loading`."""
    return marshal.dumps({**policy._asdict(), "limits": policy.limits._asdict(), "has_network": policy.has_network})
