"""The system call filter for all that Landlock does not cover: a program for seccomp(2), in classic bpf(4).

Calls that are not listed are allowed, since engines of models use several hundred. Calls that newer kernels may add do
not exist for the program, so that they cannot bypass the filter.
"""

import errno
import os
import struct

from .system_calls import AUDIT_ARCHITECTURES, FIRST_UNKNOWN, numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .policy import Policy

LOAD, AND, RETURN = 0x20, 0x54, 0x06
EQUAL, AT_LEAST, ANY_BIT = 0x15, 0x35, 0x45
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
"""Offsets in struct seccomp_data; the lower half of an argument comes first."""

KILL, ALLOW = 0x80000000, 0x7FFF0000
ERROR = 0x00050000

AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
STREAM, DATAGRAM, SEQUENCED = 1, 2, 5
TYPE_MASK = 0xF
TCP, UDP = 6, 17
MSG_FASTOPEN = 0x20000000
NEW_NAMESPACES = 0x7E020000
"""All CLONE_NEW… flags of clone(2)."""
TERMINAL_INPUT, TERMINAL_SELECTION, SET_FLAGS, SET_ATTRIBUTES = 0x5412, 0x541C, 0x40086602, 0x401C5820

ABSENT = """
    io_uring_setup io_uring_enter io_uring_register clone3
"""
"""The program sees a kernel without these calls: libraries then use the older ones, which can be inspected."""

REFUSED = """
    ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_getfd kcmp bpf perf_event_open
    userfaultfd mount umount2 pivot_root chroot fsopen fsconfig fsmount fspick move_mount open_tree open_tree_attr
    mount_setattr setns unshare name_to_handle_at open_by_handle_at fanotify_init inotify_add_watch quotactl
    quotactl_fd swapon swapoff reboot sethostname setdomainname init_module finit_module delete_module kexec_load
    kexec_file_load acct settimeofday clock_settime clock_adjtime adjtimex keyctl add_key request_key syslog ioperm
    iopl vhangup shmget shmat shmctl msgget msgsnd msgrcv msgctl semget semop semtimedop semctl mq_open mq_unlink
    setsid setpgid migrate_pages move_pages setpriority ioprio_set sched_setscheduler sched_setparam sched_setattr
"""
"""Memory and shared memory of other processes, which Landlock does not protect; kernel internals; namespaces; new
sessions, in which a process would survive the end of the program; priorities, also of outside processes.
"""

IGNORED = """
    chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat setxattr lsetxattr fsetxattr setxattrat removexattr
    lremovexattr fremovexattr removexattrat file_setattr sched_setaffinity
"""
"""These succeed without effect.

Landlock does not cover owners, modes and times of files, so that the program could change files that it may only read;
an error would fail every copy with Python's `shutil.copy2`.
"""


def compile_filter(policy: "Policy", machine: str | None = None) -> bytes:
    """Return the filter, as an array of struct sock_filter. Raises KeyError for an unknown machine."""
    machine = machine or os.uname().machine
    known = numbers(machine)
    program = [
        *(_load(ARCHITECTURE), _jump(EQUAL, AUDIT_ARCHITECTURES[machine], 1, 0), _end(KILL)),
        *(_load(NUMBER), _jump(AT_LEAST, FIRST_UNKNOWN, 0, 1), _end(ERROR | errno.ENOSYS)),
    ]
    for name, body in _bodies(policy).items():
        if name in known:
            program += [_jump(EQUAL, known[name], 0, len(body)), *body]
    return b"".join([*program, _end(ALLOW)])


def compile_refusal_of_programs(machine: str | None = None) -> bytes:
    """Return a filter that denies the execution of programs, for processes that need none."""
    known = numbers(machine or os.uname().machine)
    refused = [_end(ERROR | errno.EPERM)]
    program = [_load(NUMBER)]
    for name in ("execve", "execveat"):
        program += [_jump(EQUAL, known[name], 0, len(refused)), *refused]
    return b"".join([*program, _end(ALLOW)])


def _bodies(policy: "Policy") -> dict[str, list[bytes]]:
    """Return the instructions for each listed call. Each body ends the filter."""
    bodies = {
        name: [_end(ERROR | number)]
        for names, number in ((ABSENT, errno.ENOSYS), (REFUSED, errno.EPERM), (IGNORED, 0))
        for name in names.split()
    }
    bodies["clone"] = _refuse_bits(0, NEW_NAMESPACES)
    bodies["prlimit64"] = [*_argument(0), _jump(EQUAL, 0, 0, 1), _end(ALLOW), _end(ERROR | errno.EPERM)]
    bodies["ioctl"] = _refuse_values(1, (TERMINAL_INPUT, TERMINAL_SELECTION, SET_FLAGS, SET_ATTRIBUTES))
    return bodies | _of_times() | _of_sockets(policy)


def _of_times() -> dict[str, list[bytes]]:
    """Like `IGNORED`; but setting the time of a path to now is denied, after which `Path.touch` creates the file."""
    refused, ignored = [_end(ERROR | errno.EPERM)], [_end(ERROR)]
    older = {
        name: _when_null(place, refused, ignored) for name, place in (("utime", 1), ("utimes", 1), ("futimesat", 2))
    }
    return older | {"utimensat": _when_null(1, ignored, _when_null(2, refused, ignored))}


def _of_sockets(policy: "Policy") -> dict[str, list[bytes]]:
    """Allow TCP according to the policy, and pairs of sockets inside the program; deny all other families.

    Landlock covers only TCP, without connections of TCP Fast Open. UNIX sockets lead to services of the system that
    would execute anything for the user.
    """
    bodies = {
        "socketpair": _only((AF_UNIX,), (STREAM, SEQUENCED), (0,)),
        "sendto": _refuse_bits(3, MSG_FASTOPEN),
        "sendmsg": _refuse_bits(2, MSG_FASTOPEN),
        "sendmmsg": _refuse_bits(3, MSG_FASTOPEN),
    }
    if not policy.has_network:
        return bodies | {"socket": [_end(ERROR | errno.EACCES)]}
    kinds, protocols = ((STREAM, DATAGRAM), (0, TCP, UDP)) if policy.egress else ((STREAM,), (0, TCP))
    bodies["socket"] = _only((AF_INET, AF_INET6), kinds, protocols)
    if not (policy.connect or policy.egress):
        bodies["connect"] = [_end(ERROR | errno.EACCES)]
    return bodies


def _only(families: "Iterable[int]", kinds: "Iterable[int]", protocols: "Iterable[int]") -> list[bytes]:
    """Allow sockets of these kinds, and deny all others."""
    return [
        *(*_argument(0), *_one_of(families)),
        *(*_argument(1), struct.pack("HBBI", AND, 0, 0, TYPE_MASK), *_one_of(kinds)),
        *(*_argument(2), *_one_of(protocols)),
        _end(ALLOW),
    ]


def _one_of(values: "Iterable[int]") -> list[bytes]:
    """Continue if the loaded value is one of these, else deny."""
    listed = tuple(values)
    tests = [_jump(EQUAL, value, len(listed) - place, 0) for place, value in enumerate(listed)]
    return [*tests, _end(ERROR | errno.EACCES)]


def _refuse_bits(argument: int, bits: int) -> list[bytes]:
    return [*_argument(argument), _jump(ANY_BIT, bits, 0, 1), _end(ERROR | errno.EPERM), _end(ALLOW)]


def _refuse_values(argument: int, values: tuple[int, ...]) -> list[bytes]:
    tests = [_jump(EQUAL, value, len(values) - place, 0) for place, value in enumerate(values)]
    return [*_argument(argument), *tests, _end(ALLOW), _end(ERROR | errno.EPERM)]


def _when_null(argument: int, then: list[bytes], otherwise: list[bytes]) -> list[bytes]:
    """Check both halves of a pointer."""
    upper = _load(FIRST_ARGUMENT + 8 * argument + 4)
    halves = [*_argument(argument), _jump(EQUAL, 0, 0, 2), upper, _jump(EQUAL, 0, len(otherwise), 0)]
    return [*halves, *otherwise, *then]


def _argument(place: int) -> list[bytes]:
    return [_load(FIRST_ARGUMENT + 8 * place)]


def _load(offset: int) -> bytes:
    return struct.pack("HBBI", LOAD, 0, 0, offset)


def _jump(test: int, value: int, when_true: int, when_false: int) -> bytes:
    return struct.pack("HBBI", test, when_true, when_false, value)


def _end(action: int) -> bytes:
    return struct.pack("HBBI", RETURN, 0, 0, action)
