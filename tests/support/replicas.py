"""Two processes of one service; a test can kill either."""

import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from support.processes import ServerProcess, answers, free_port
from support.waiting import eventually

HELD = re.compile(r"^klever_lease_held\{.*\} 1\.0$", re.MULTILINE)


class ReplicaProcess(ServerProcess):
    """`python -m klever_NAME` with its own HTTP port.

    Args:
        service: the name of the service.
        number: part of the name of its log file.
        directory: for the log.
        settings: without the prefix, in lower case.
    """

    def __init__(self, service: str, number: int, directory: Path, settings: Mapping[str, object]) -> None:
        self.port = free_port()
        prefix = f"KLEVER_{service.upper()}_"
        env = {f"{prefix}{name.upper()}": str(value) for name, value in {**settings, "port": self.port}.items()}
        log = directory / f"{service}-{number}.log"
        command = [sys.executable, "-m", f"klever_{service}"]
        super().__init__(command, log, lambda: answers(self.port), env={**os.environ, **env})

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    async def get(self, path: str) -> tuple[int, str]:
        """Return status and body of an answer."""
        async with aiohttp.ClientSession() as session, session.get(f"http://{self.address}{path}") as response:
            return response.status, await response.text()

    async def reports_ready(self) -> bool:
        """Return whether it accepts work or stands by for it."""
        return (await self.get("/readyz"))[0] == 200

    async def holds_the_lease(self) -> bool:
        """Return whether it is the leader, according to its metrics."""
        return bool(HELD.search((await self.get("/metrics"))[1]))

    def suspend(self) -> None:
        """Suspend the process, like a paused virtual machine."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)


async def leader_and_standby(*replicas: ReplicaProcess) -> tuple[ReplicaProcess, ReplicaProcess]:
    """Return both replicas once both are ready and one of them is the leader."""

    async def settled() -> bool:
        held = [await replica.holds_the_lease() for replica in replicas]
        return held.count(True) == 1 and all([await replica.reports_ready() for replica in replicas])

    await eventually(settled, within=30)
    first, second = replicas
    return (first, second) if await first.holds_the_lease() else (second, first)
