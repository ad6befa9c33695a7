"""The whole platform as users run it, in processes that a test can kill."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import nats
import psutil
import pytest
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from klever.client import KleverClient
from klever.platform.home import Home
from klever.platform.nats_access import OPERATOR
from klever.platform.plan import MARKER
from kleverproto.accounts import PLATFORM_ACCOUNT
from kleverproto.models import ExtractionPhase, ModelDocument
from kleverproto.references import ModelRef
from ormb.client import OrmbClient
from ormb.errors import OrmbError
from ormb.reference import Reference
from support.waiting import eventually

PARTS = 6
"""nats, topology, registry, jobrunner, deployer, gateway; Envoy and the model servers belong to the deployer."""


@dataclass
class Platform:
    """A platform that runs under `klever up`."""

    home: Path
    process: asyncio.subprocess.Process

    @property
    def state(self) -> dict[str, Any]:
        """The state file of the supervisor."""
        state: dict[str, Any] = json.loads((self.home / "run" / "platform.json").read_text())
        return state

    @property
    def urls(self) -> dict[str, str]:
        """The addresses of the platform."""
        urls: dict[str, str] = self.state["urls"]
        return urls

    @property
    def registry_host(self) -> str:
        """host:port of the registry."""
        return self.urls["registry"].removeprefix("http://")

    @property
    def token(self) -> str:
        """The token that the gateway requires."""
        return (self.home / "token").read_text().strip()

    @property
    def registry_login(self) -> dict[str, str]:
        """The header with which the owner of the platform logs in to its registry."""
        return {"Authorization": aiohttp.encode_basic_auth(PLATFORM_ACCOUNT, self.registry_password)}

    @property
    def registry_password(self) -> str:
        """The password of the platform's user `klever`."""
        return Home(self.home).registry_password.read_text().strip()

    def ormb(self) -> OrmbClient:
        """A client of the registry with the credentials of the owner's `ormb`."""
        return OrmbClient(self.home / "ormb")

    def client(self) -> KleverClient:
        """A client of the gateway with its token."""
        return KleverClient(self.urls["api"], self.token)

    async def is_up(self) -> bool:
        """Return whether the supervisor reports that everything is ready. Fails if it has exited."""
        if self.process.returncode is not None:
            pytest.fail((self.home / "up.log").read_text())
        return bool(self.state["ready"])

    @property
    def operator(self) -> Path:
        """NATS credentials of an operator who may do everything."""
        return Home(self.home).nats_files.credentials_of(OPERATOR)

    def pid(self, part: str) -> int:
        """The current process of a part."""
        return int(self.state["parts"][part]["pid"])

    def kill(self, part: str) -> int:
        """Kill a part. Return its process."""
        pid = self.pid(part)
        os.kill(pid, signal.SIGKILL)
        return pid

    def children(self, command: str) -> list[psutil.Process]:
        """The processes of this platform, at any depth, whose command line contains the text."""
        return [p for p in processes_of(self.home) if command in " ".join(_quietly(p.cmdline))]

    async def healed(self) -> None:
        """Wait until every part is ready."""

        async def all_ready() -> bool:
            parts = self.state["parts"]
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
                for part in parts.values():
                    if part["url"].startswith("http"):
                        async with session.get(f"{part['url']}/readyz") as response:
                            if response.status != 200:
                                return False
            return len(parts) == PARTS

        await eventually(all_ready, within=45)

    async def push(self, directory: Path, ref: str) -> str:
        """Push a model, with retries while the registry is down. Return the digest."""
        named = ModelRef.parse(ref)
        reference = Reference(self.registry_host, named.repository, named.version)
        async with self.ormb() as client:

            async def pushed() -> str:
                try:
                    return (await client.push_directory(directory, reference)).digest
                except OrmbError as error:
                    if error.transient:
                        return ""
                    raise

            return await eventually(pushed, within=45, every=0.1)

    async def parsed(self, ref: str, *, within: float = 60) -> ModelDocument:
        """Return the version once its signature is known."""
        async with self.client() as client:

            async def done() -> ModelDocument | None:
                model = await client.model(ModelRef.parse(ref))
                return model if model.status.extraction is ExtractionPhase.SUCCEEDED else None

            version = await eventually(done, within=within)
            assert version is not None
            return version

    @asynccontextmanager
    async def jetstream(self) -> AsyncIterator[JetStreamContext]:
        """Open a separate connection for the test."""
        client = await nats.connect(self.urls["nats"], nkeys_seed=str(self.operator))
        try:
            yield client.jetstream()
        finally:
            await client.close()

    async def events(self, subject: str) -> list[dict[str, Any]]:
        """Headers and data of every event under a subject filter, in order."""
        context = subject.split(".")[1]
        stream = {"model": "KLEVER_MODELS", "job": "KLEVER_JOBS", "serving": "KLEVER_SERVINGS", "dead": "KLEVER_DEAD"}
        async with self.jetstream() as js:
            events: list[dict[str, Any]] = []
            sequence = 1
            while True:
                try:
                    message = await js.get_msg(stream[context], sequence, subject=subject, next=True)
                except NotFoundError:
                    return events
                events.append({**(message.headers or {}), "data": json.loads(message.data or b"null")})
                sequence = (message.seq or 0) + 1


def processes_of(home: Path) -> list[psutil.Process]:
    """Every process that a platform with this home has started, at any depth."""
    return [p for p in psutil.process_iter() if _environment(p).get(MARKER) == str(home)]


def processes_below(directory: Path) -> list[psutil.Process]:
    """Every process that belongs to a platform whose home is somewhere below a directory."""
    homes = ((process, _environment(process).get(MARKER)) for process in psutil.process_iter())
    return [process for process, home in homes if home and Path(home).is_relative_to(directory)]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ() if process.status() != psutil.STATUS_ZOMBIE else {}
    except (psutil.Error, OSError):
        return {}


def _quietly(call: Any) -> Any:
    try:
        return call()
    except psutil.Error:
        return []


@asynccontextmanager
async def running_platform(home: Path, *flags: str, **settings: str) -> AsyncIterator[Platform]:
    """Run `klever up` on free ports with its own home. Afterwards none of its processes may be left.

    Args:
        home: an existing directory.
        flags: further options of `klever up`.
        settings: environment variables.
    """
    log = home / "up.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "klever.cli", "up", "--ports", "auto", *flags),
            env=os.environ | {"KLEVER_HOME": str(home), "ORMB_ROOTPATH": str(home / "ormb")} | settings,
            stdout=output,
            stderr=output,
        )
    platform = Platform(home, process)
    try:
        await eventually(platform.is_up, within=60)
        yield platform
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 60)
        left = processes_of(home)
        for one in left:
            one.kill()
        assert not left, f"klever up has left {left}"
