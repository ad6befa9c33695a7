"""Landlock, the Linux security module with which a process restricts itself: docs.kernel.org/userspace-api/landlock."""

import ctypes
import os
import stat

from .kernel import LANDLOCK_ADD_RULE, LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF, system_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .policy import Policy

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL_DEVICE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
REMOVE_DIRECTORY, REMOVE_FILE, MAKE_DIRECTORY, MAKE_FILE, REFER = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 13
MAKE_CHARACTER_DEVICE, MAKE_SOCKET, MAKE_BLOCK_DEVICE = 1 << 6, 1 << 9, 1 << 11
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
BIND_TCP, CONNECT_TCP = 1 << 0, 1 << 1
ABSTRACT_UNIX_SOCKETS, SIGNALS = 1 << 0, 1 << 1

FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""Number of rights that each ABI has first, in the order of their bits."""
NETWORK_ABI, SCOPES_ABI = 4, 6
PATH_RULE, PORT_RULE = 1, 2
VERSION_FLAG = 1


def abi_version() -> int:
    """Return the ABI version of the kernel; 0 if Landlock is missing or disabled."""
    try:
        return system_call(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(VERSION_FLAG))
    except OSError:
        return 0


def file_rights(abi: int) -> int:
    """Return all rights to files in an ABI."""
    return (1 << max((count for first, count in FILE_RIGHTS.items() if abi >= first), default=0)) - 1


class Ruleset:
    """Denies access to files, TCP ports, abstract sockets and outside processes, except for the rules added here.

    Args:
        abi: of the kernel, at least 1; rights of later versions are ignored.
        limits_connections: whether connections are denied as well.
    """

    def __init__(self, abi: int, *, limits_connections: bool) -> None:
        self._files = file_rights(abi)
        self._has_network = abi >= NETWORK_ABI
        network = BIND_TCP | (CONNECT_TCP if limits_connections else 0)
        scopes = ABSTRACT_UNIX_SOCKETS | SIGNALS
        fields = [self._files, network, scopes]
        count = 3 if abi >= SCOPES_ABI else 2 if abi >= NETWORK_ABI else 1
        attributes = (ctypes.c_uint64 * count)(*fields[:count])
        size = ctypes.c_size_t(ctypes.sizeof(attributes))
        self._descriptor = system_call(LANDLOCK_CREATE_RULESET, attributes, size, ctypes.c_uint32(0))

    def allow_path(self, path: str, rights: int) -> None:
        """Allow these rights to a file, or to a directory with its content. Does nothing if it does not exist.

        Raises OSError: it exists but cannot be opened.
        """
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            granted = rights & self._files
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                granted &= OF_FILES
            self._add(PATH_RULE, granted.to_bytes(8, "little") + descriptor.to_bytes(4, "little"))
        finally:
            os.close(descriptor)

    def allow_port(self, port: int, rights: int) -> None:
        """Allow these rights to a TCP port."""
        if self._has_network:
            self._add(PORT_RULE, rights.to_bytes(8, "little") + port.to_bytes(8, "little"))

    def enforce(self) -> None:
        """Restrict this thread and all its children permanently."""
        system_call(LANDLOCK_RESTRICT_SELF, ctypes.c_int(self._descriptor), ctypes.c_uint32(0))
        os.close(self._descriptor)

    def _add(self, kind: int, attributes: bytes) -> None:
        descriptor = ctypes.c_int(self._descriptor)
        system_call(LANDLOCK_ADD_RULE, descriptor, ctypes.c_int(kind), attributes, ctypes.c_uint32(0))


def ruleset_of(policy: "Policy", abi: int, devices: "Iterable[tuple[str, int]]") -> Ruleset:
    """Return the rules of a policy. Raises OSError.

    Args:
        policy: the policy.
        abi: of the kernel.
        devices: paths that every program may access, with the rights to them.
    """
    ruleset = Ruleset(abi, limits_connections=not policy.egress)
    everything = file_rights(abi) & ~(MAKE_CHARACTER_DEVICE | MAKE_BLOCK_DEVICE | MAKE_SOCKET | IOCTL_DEVICE)
    granted = (
        (policy.execute, EXECUTE | READ_FILE | READ_DIR),
        (policy.read, READ_FILE | READ_DIR),
        (policy.write, everything),
        (policy.make_directories, MAKE_DIRECTORY | REMOVE_DIRECTORY),
    )
    for path, rights in (*((path, rights) for paths, rights in granted for path in paths), *devices):
        ruleset.allow_path(path, rights)
    for port in policy.listen:
        ruleset.allow_port(port, BIND_TCP)
    for port in () if policy.egress else policy.connect:
        ruleset.allow_port(port, CONNECT_TCP)
    return ruleset
