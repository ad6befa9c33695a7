"""What a program may do; everything else is refused."""

import marshal
from typing import NamedTuple

MEBI = 2**20


class Limits(NamedTuple):
    """What each process of the program may use; None leaves a limit as it is."""

    memory_bytes: int | None = None
    """What it may write to. Twice as much and 4 GiB more may be reserved: frameworks and the JVM never touch that."""
    address_bytes: int | None = None
    """What it may reserve, instead of the above."""
    cpu_seconds: int | None = None
    file_bytes: int | None = None
    """The size of each file that it writes."""
    processes: int | None = None
    """Processes and threads, on top of those that the user has when it starts."""


class Policy(NamedTuple):
    """A program, and what it may do.

    Paths that do not exist are left out. A path stands for the file or directory that it leads to when the program
    starts, with everything below it.
    """

    command: tuple[str, ...]
    environment: dict[str, str]
    """All of it."""
    directory: str
    """Where it starts."""
    execute: tuple[str, ...] = ()
    """What it may read and run."""
    read: tuple[str, ...] = ()
    """What it may read."""
    write: tuple[str, ...] = ()
    """What it may read, run, write, make and remove."""
    make_directories: tuple[str, ...] = ()
    """Where it may make directories and remove empty ones, and neither list nor read nor write anything."""
    listen: tuple[int, ...] = ()
    """TCP ports that it may listen on."""
    connect: tuple[int, ...] = ()
    """TCP ports that it may connect to."""
    egress: bool = False
    """Whether it may connect to every TCP port and send by UDP."""
    needs_shared_memory: bool = False
    """Whether it gets the system's /dev/shm where it cannot have one of its own."""
    needs_processes: bool = False
    """Whether what it starts has to read its own entries of /proc, where it cannot have a /proc of its own: it may then
    read, not list, what the kernel shows of processes to those who may not trace them, such as their command lines."""
    dies_with_parent: bool = False
    limits: Limits = Limits()
    complete: bool = True
    """Whether it is refused where the system lacks a part of the sandbox; else it runs with what there is."""

    @property
    def has_network(self) -> bool:
        """Whether it may use TCP at all."""
        return bool(self.listen or self.connect or self.egress)


def dump_policy(policy: Policy) -> bytes:
    """The policy for the launcher, which the same interpreter runs; see `loading`."""
    return marshal.dumps({**policy._asdict(), "limits": policy.limits._asdict(), "has_network": policy.has_network})
