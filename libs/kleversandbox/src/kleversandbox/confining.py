"""Drops all rights that a policy does not contain, in order; on Linux."""

import os

from .landlock import MAKE_FILE, READ_DIR, READ_FILE, REFER, REMOVE_FILE, TRUNCATE, WRITE_FILE, ruleset_of
from .namespaces import PROCESSES, SHARED_MEMORY, private_mounts
from .privileges import die_with_parent, drop_capabilities, install_filter, no_new_privileges
from .resources import limit_resources
from .seccomp import compile_filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .policy import Policy

_READ_WRITE = READ_FILE | WRITE_FILE | TRUNCATE
_SHARED_MEMORY_RIGHTS = _READ_WRITE | READ_DIR | MAKE_FILE | REMOVE_FILE | REFER
"""Files are created, linked and removed there: shm_overview(7), sem_overview(7)."""


def confine(policy: "Policy", parent: int, abi: int, *, has_filter: bool) -> None:
    """Restrict this process and all its children permanently. Raises OSError."""
    if policy.dies_with_parent:
        die_with_parent(parent)
    has_own_memory, has_own_processes = private_mounts()
    limit_resources(policy.limits)
    devices = _devices(shared_memory=has_own_memory or policy.needs_shared_memory)
    if has_own_processes:
        devices.append((PROCESSES, READ_FILE | READ_DIR))
    elif policy.needs_processes:
        devices.append((PROCESSES, READ_FILE))
    ruleset = ruleset_of(policy, abi, devices) if abi else None
    drop_capabilities()
    no_new_privileges()
    if ruleset is not None:
        ruleset.enforce()
    if has_filter:
        install_filter(compile_filter(policy))


def _devices(*, shared_memory: bool) -> list[tuple[str, int]]:
    """Return paths that every program may access: devices without effects, and its own entries in /proc."""
    given = [(f"/dev/{name}", READ_FILE) for name in ("random", "urandom")]
    given += [(f"/dev/{name}", _READ_WRITE) for name in ("null", "zero", "full")]
    given += [(f"/proc/{os.getpid()}", READ_FILE | READ_DIR)]
    if shared_memory:
        given.append((SHARED_MEMORY, _SHARED_MEMORY_RIGHTS))
    return given
