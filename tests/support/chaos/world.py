"""The platform under test, and the state that faults and users share."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from klever.platform.plan import Ports, Urls, urls
from support.processes import free_port
from support.waiting import eventually
from support.whole_platform import Platform, processes_of

from .clocks import ShiftedClock
from .disks import SmallDisk
from .ledger import Ledger

PUBLIC = ("gateway", "registry", "ingress", "nats")
UP_SECONDS = 90
SERVICES = ("topology", "registry", "jobrunner", "deployer", "gateway")


@dataclass
class Timeline:
    """A log of actions with their times, printed immediately."""

    began: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)

    @property
    def now(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.began

    def say(self, text: str) -> None:
        """Add a line."""
        line = f"{self.now:7.1f} s  {text}"
        self.lines.append(line)
        print(line, flush=True)


@dataclass
class World:
    """A platform whose ports stay the same over restarts.

    Attributes:
        home: the home directory.
        environment: additional environment variables.
        disks: disks that may be filled, by service.
        clock: the clock of the services, if it can be moved.
    """

    home: Path
    environment: dict[str, str]
    disks: dict[str, SmallDisk] = field(default_factory=dict)
    clock: ShiftedClock | None = None
    timeline: Timeline = field(default_factory=Timeline)
    ledger: Ledger = field(default_factory=Ledger)
    ports: Ports = field(default_factory=lambda: Ports(**{name: free_port() for name in PUBLIC}))
    running: Platform | None = None
    starts: int = 0

    @property
    def urls(self) -> Urls:
        """The addresses of the platform."""
        return urls(self.ports)

    @property
    def login(self) -> dict[str, str]:
        """Headers that the gateway requires."""
        return {"Authorization": f"Bearer {self.platform.token}"}

    @property
    def platform(self) -> Platform:
        """The running platform."""
        assert self.running is not None
        return self.running

    async def start(self) -> None:
        """Run `klever up` and wait until everything is ready."""
        self._keep_logs()
        (self.home / "run" / "platform.json").unlink(missing_ok=True)  # left behind by a killed supervisor
        ports = [f"--port={name}={getattr(self.ports, name)}" for name in PUBLIC]
        with (self.home / "up.log").open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "klever.cli", "up", *ports),
                env=os.environ
                | {"KLEVER_HOME": str(self.home), "ORMB_ROOTPATH": str(self.home / "ormb")}
                | self.environment,
                stdout=output,
                stderr=output,
            )
        self.running = Platform(self.home, process)
        try:
            await eventually(self.running.is_up, within=UP_SECONDS)
        except (AssertionError, pytest.fail.Exception) as error:
            ended = (self.home / "up.log").read_text()[-1000:]
            raise AssertionError(f"`klever up` did not get ready:\n{ended}") from error

    def _keep_logs(self) -> None:
        """Keep the logs, because `klever up` keeps only those of the previous run."""
        logs = self.home / "logs"
        if logs.exists():
            self.starts += 1
            shutil.copytree(logs, self.home / "all-logs" / str(self.starts))

    async def stop(self) -> None:
        """Stop the platform as Ctrl-C does."""
        process = self.platform.process
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), UP_SECONDS)

    async def end(self) -> list[str]:
        """Stop the platform. Return and kill the processes that it left behind."""
        if self.running is None:
            return []
        await self.stop()
        left = processes_of(self.home)
        for process in left:
            process.kill()
        return [str(process) for process in left]

    @asynccontextmanager
    async def nats(self) -> AsyncIterator[Client]:
        """Open a separate connection for the test."""
        client = await nats.connect(
            self.urls.nats, nkeys_seed=str(self.platform.operator), connect_timeout=5, max_reconnect_attempts=10
        )
        try:
            yield client
        finally:
            await client.close()

    def addresses(self) -> dict[str, str]:
        """Return the current address of each service. Some are missing while the platform starts."""
        try:
            parts: dict[str, Any] = self.platform.state["parts"]
        except (OSError, ValueError, KeyError):
            return {}
        return {name: part["url"] for name, part in parts.items() if name in SERVICES}
