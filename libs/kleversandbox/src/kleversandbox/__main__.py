"""The launcher: `__main__.py DESCRIPTOR PARENT` reads a policy, drops all other rights, and executes the program.

It is run by its path, with `python -I -S`, because importing packages would take most of its time.

Exit codes: those of the program; 125 if the sandbox is not available, 126 if the program cannot be executed, 127 if it
does not exist. One line on standard error has the reason.
"""

import errno
import os
import sys

if not __package__:
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120

from kleversandbox.loading import load_policy
from kleversandbox.probing import SystemSupport, probe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kleversandbox.policy import Policy

EXIT_NO_SANDBOX, EXIT_CANNOT_RUN, EXIT_NO_PROGRAM = 125, 126, 127
_STANDARD = 3


class NoSandboxError(Exception):
    """The program is not executed, because it would not be confined."""


def main(descriptor: int, parent: int, support: SystemSupport) -> int:
    """Execute the program; returns an exit code if that is not possible."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(descriptor, "rb") as file:
        policy = load_policy(file.read())
    try:
        _confine(policy, parent, support)
    except (OSError, NoSandboxError) as error:
        return _fail(f"{policy.command[0]} is not run, since it cannot be confined: {error}", EXIT_NO_SANDBOX)
    return _run(policy)


def _confine(policy: "Policy", parent: int, support: SystemSupport) -> None:
    """Keep only the rights in the policy. Raises NoSandboxError, OSError."""
    abi, has_filter, missing = support
    if policy.complete and missing:
        raise NoSandboxError("; ".join(missing))
    os.closerange(_STANDARD, os.sysconf("SC_OPEN_MAX"))
    os.chdir(policy.directory)
    if sys.platform == "linux":
        from kleversandbox.confining import confine  # noqa: PLC0415 - only Linux has what it loads

        confine(policy, parent, abi, has_filter=has_filter)
    else:
        from kleversandbox.resources import limit_resources  # noqa: PLC0415

        limit_resources(policy.limits)


def _run(policy: "Policy") -> int:
    try:
        os.execvpe(policy.command[0], policy.command, policy.environment)  # noqa: S606 - the point of it
    except OSError as error:
        is_there = error.errno not in {errno.ENOENT, errno.ENOTDIR}
        reason = f"{policy.command[0]} cannot be run: {error.strerror}"
        return _fail(reason, EXIT_CANNOT_RUN if is_there else EXIT_NO_PROGRAM)


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"klever: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), probe()))
