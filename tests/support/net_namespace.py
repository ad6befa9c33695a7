"""A separate network where every port is free: Linux network namespaces, with unshare and nsenter."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

LOOPBACK_UP = """
import fcntl, socket, struct, sys
with socket.socket() as link:
    up_and_running = 0x41
    fcntl.ioctl(link, 0x8914, struct.pack("16sh22x", b"lo", up_and_running))  # SIOCSIFFLAGS, netdevice(7)
print("up", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class NetNamespace:
    """A namespace that exists as long as its process."""

    holder: int
    """A process in the namespace."""
    user: bool
    """True if it has a user namespace too, which allows creating it without root."""

    def command(self, *command: str) -> tuple[str, ...]:
        """A command line that runs another one in the namespace."""
        users = ("--user", "--preserve-credentials") if self.user else ()
        return "nsenter", "--target", str(self.holder), "--net", *users, *command


@asynccontextmanager
async def net_namespace() -> AsyncIterator[NetNamespace | None]:
    """A namespace with only a loopback interface, or None if this system does not allow creating one."""
    user = os.getuid() != 0
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        yield None
        return
    flags = ("--user", "--map-root-user") if user else ()
    holder = await asyncio.create_subprocess_exec(
        *("unshare", "--net", *flags, sys.executable, "-c", LOOPBACK_UP),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    is_up = await holder.stdout.readline() == b"up\n"
    try:
        yield NetNamespace(holder.pid, user) if is_up else None
    finally:
        holder.stdin.close()
        await holder.wait()
