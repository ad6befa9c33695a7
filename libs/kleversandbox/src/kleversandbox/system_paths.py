"""Paths of the system that programs need, and paths of a Python interpreter."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives")
"""Programs and libraries."""
READABLE = (
    *(
        "/etc/ld.so.cache",
        "/etc/ld.so.conf",
        "/etc/ld.so.conf.d",
        "/etc/localtime",
        "/etc/timezone",
        "/etc/locale.alias",
    ),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/hosts", "/etc/host.conf", "/etc/gai.conf"),
    *("/etc/protocols", "/etc/services", "/etc/mime.types", "/etc/os-release", "/etc/debian_version"),
    *("/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls", "/etc/pki/ca-trust", "/etc/ca-certificates"),
    *("/etc/python3.11", "/etc/python3.12", "/etc/python3.13"),  # sitecustomize of Debian and Ubuntu
    *("/etc/crypto-policies", "/etc/java-11-openjdk", "/etc/java-17-openjdk", "/etc/java-21-openjdk", "/etc/java"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/uptime", "/proc/loadavg", "/proc/version"),
    *("/proc/filesystems", "/proc/cgroups", "/proc/sys/kernel", "/proc/sys/vm", "/proc/sys/fs", "/proc/sys/net/core"),
    *("/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/kernel/mm", "/sys/fs/cgroup", "/sys/bus/pci"),
)
"""Settings of libraries, and facts about the machine; from /proc only entries that belong to no process."""
NAME_SERVICE = ("/etc/resolv.conf",)
"""For programs that may connect to other machines."""
FROM_ENVIRONMENT = ("LD_LIBRARY_PATH", "JAVA_HOME", "SSL_CERT_FILE")
"""Variables with further paths, which an operator may set."""
_OF_INTERPRETER = ("bin", "lib", "lib64", "lib32", "include", "share")


def program_paths(program: str | Path, path: str | None = None) -> tuple[str, ...]:
    """Return the paths of a program: its file, and its virtual environment if it is in one.

    Args:
        program: a path, or a name to search.
        path: directories to search, in the syntax of PATH.
    """
    executable = shutil.which(program, path=path)
    if executable is None:
        return ()
    file = Path(executable).absolute()
    environment = file.parents[1] if len(file.parents) > 1 else file
    if not (environment / "pyvenv.cfg").is_file():
        return (str(file),)
    return str(environment), *interpreter_paths(environment / "bin" / "python")


def interpreter_paths(python: Path) -> tuple[str, ...]:
    """Return the paths of a Python interpreter: its virtual environment, and its base installation."""
    environment, installation = python.absolute().parents[1], python.resolve().parents[1]
    own = (str(environment),) if (environment / "pyvenv.cfg").is_file() else ()
    return *own, *(str(installation / name) for name in _OF_INTERPRETER)


def paths_in(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files and directories in an operator's variables."""
    texts = (environment.get(name, "") for name in FROM_ENVIRONMENT)
    return tuple(path for text in texts for path in text.split(os.pathsep) if path.startswith("/") and path != "/")
