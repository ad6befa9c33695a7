"""System calls without a function in the C library, and prctl(2)."""

import ctypes
import os

LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS = 1, 24, 28, 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2

_library = ctypes.CDLL(None, use_errno=True)


def system_call(number: int, *arguments: object) -> int:
    """Make a system call. Raises OSError."""
    return checked(_library.syscall(ctypes.c_long(number), *arguments))


def prctl(option: int, *arguments: int) -> int:
    """Control this process. Raises OSError."""
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return checked(_library.prctl(option, *(ctypes.c_ulong(each) for each in padded)))


def library() -> ctypes.CDLL:
    """Return the C library."""
    return _library


def checked(result: int) -> int:
    """Return the result of a call. Raises OSError if it failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
