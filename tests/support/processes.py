"""Real servers as child processes on free ports, with their logs in files, always stopped at the end."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from klever.platform.ports import hold

_held: list[socket.socket] = []
"""Locks kept to the end of the process, so that no other worker and no client of ours gets the same port."""


def free_port() -> int:
    """A free port of the loopback address, for a server that sets SO_REUSEADDR, as all of ours do."""
    holder = hold(0)
    port = int(holder.getsockname()[1])
    if sys.platform == "linux":
        _held.append(holder)
    else:
        holder.close()
    return port


@dataclass
class ServerProcess:
    """A server with `stop`, `kill`, and `start` again on the same port and directory."""

    command: Sequence[str]
    log: Path
    is_ready: Callable[[], bool]
    env: dict[str, str] | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        """Starts the server."""
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stops the server."""
        self.stop()

    def start(self, *, within: float = 60.0) -> None:
        """Start the server and wait until it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.env)
        deadline = time.monotonic() + within
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"{self.command[0]} did not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Terminate the server; kill it after five seconds."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill the server."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def answers(port: int) -> bool:
    """Return whether a server accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
