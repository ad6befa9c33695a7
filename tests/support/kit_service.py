"""A service that uses only the kit, in a separate process, with one consumer that writes its messages to a file."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from faststream.nats import NatsRouter

from kleverkit.broker import subscribe
from kleverkit.service import Runtime, main, make_runtime
from kleverkit.settings import ServiceSettings
from kleverkit.tasks import cancel
from kleverproto.envelope import Event
from kleverproto.models import ModelPushed
from kleverproto.streams import JOBRUNNER_EXTRACT
from support.processes import free_port
from support.waiting import eventually

HANDLED = "KLEVER_TEST_HANDLED"


def note(version: str) -> None:
    """Record a handled message."""
    with Path(os.environ[HANDLED]).open("a") as handled:
        handled.write(f"{version}\n")


def build(settings: ServiceSettings) -> Runtime:
    """Return the service."""
    runtime = make_runtime(JOBRUNNER_EXTRACT.service, settings)
    router = NatsRouter()

    async def on_model_pushed(event: Event[ModelPushed]) -> None:
        note(event.data.ref.version)

    subscribe(router, JOBRUNNER_EXTRACT, on_model_pushed)
    runtime.serve([router])
    return runtime


@dataclass
class KitService:
    """The running process."""

    process: asyncio.subprocess.Process
    port: int
    directory: Path

    async def readiness(self) -> dict[str, Any]:
        """Return the answer of `/readyz`."""
        timeout = aiohttp.ClientTimeout(total=2)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://127.0.0.1:{self.port}/readyz") as response,
        ):
            return dict(await response.json())

    async def is_ready(self, *, within: float = 60) -> None:
        """Wait until it is ready."""

        async def ready() -> bool:
            return bool((await self.readiness())["status"] == "ready")

        await eventually(ready, within=within)

    async def has_problem(self, check: str, *words: str, within: float = 60) -> str:
        """Wait until a check reports a problem with these words."""

        async def problem() -> str | None:
            sentence = (await self.readiness())["problems"].get(check, "")
            return str(sentence) if sentence and all(word in sentence for word in words) else None

        return str(await eventually(problem, within=within))

    def handled(self) -> list[str]:
        """The versions of the models whose pushes were handled, in order."""
        file = self.directory / "handled"
        return file.read_text().split() if file.exists() else []

    async def handles(self, *versions: str, within: float = 60) -> None:
        """Wait until exactly these pushes were handled."""

        async def done() -> bool:
            return self.handled() == list(versions)

        await eventually(done, within=within)

    async def ends(self, *, within: float = 30) -> int:
        """Wait for the process to exit. Return its exit code."""
        return await asyncio.wait_for(self.process.wait(), within)

    async def ends_or_has_problem(self, check: str, *words: str) -> bool:
        """Wait for the exit or the problem, whichever comes first. Return whether the process has exited."""
        ended = asyncio.create_task(self.process.wait())
        problem = asyncio.create_task(self.has_problem(check, *words))
        await asyncio.wait({ended, problem}, return_when=asyncio.FIRST_COMPLETED)
        await cancel([ended, problem])
        return self.process.returncode is not None

    def log(self) -> str:
        """The log so far."""
        return (self.directory / "service.log").read_text()

    def processor_seconds(self) -> float:
        """The CPU time used so far, in seconds."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)


@asynccontextmanager
async def kit_service(url: str, directory: Path, *, credentials: Path | None = None) -> AsyncIterator[KitService]:
    """Start the service; kill it at the end if it still runs."""
    port = free_port()
    settings = {"KLEVER_NATS_URL": url, "KLEVER_PORT": str(port), HANDLED: str(directory / "handled")}
    settings |= {"KLEVER_NATS_CREDENTIALS": str(credentials)} if credentials else {}
    with (directory / "service.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "support.kit_service"),
            env=os.environ | settings | {"PYTHONPATH": str(Path(__file__).parents[1])},
            stdout=log,
            stderr=log,
        )
    try:
        yield KitService(process, port, directory)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.wait()


if __name__ == "__main__":
    main("test", ServiceSettings, build)
