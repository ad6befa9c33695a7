"""Places where replicas write, for the suite of everything that reads it."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from klever_deployer.adapters.kubernetes.pod_logs import PodLogs
from klever_deployer.adapters.local.log_files import LogFiles
from klever_deployer.adapters.local.replica_specs import replica_key
from klever_deployer.adapters.memory import InMemoryLogs
from klever_deployer.ports import ReplicaLogs
from kleverkube.manifest import Manifest
from kleverkubeclient.api import KubernetesApi
from kleverroutes.versions import VersionKey
from support.scripted_logs import ScriptedLogs, scripted_logs
from support.waiting import eventually


class LogsBench(ABC):
    """Replicas that write lines, and their reader."""

    logs: ReplicaLogs

    @abstractmethod
    async def write(self, version: VersionKey, replica: int, line: str) -> None:
        """Write a line as a replica; it can be read from then on."""

    @abstractmethod
    async def hand_over(self) -> None:
        """Replace the present deployer by another one."""

    async def lines(self) -> list[tuple[str, int, str]]:
        """Read and acknowledge the next lines: variant, replica, line."""
        parts = await self.logs.read()
        await self.logs.acknowledge(parts)
        return sorted((part.version.variant, part.replica, line) for part in parts for line in part.lines)


class InMemory(LogsBench):
    def __init__(self) -> None:
        self.logs: InMemoryLogs = InMemoryLogs()

    async def write(self, version: VersionKey, replica: int, line: str) -> None:
        self.logs.write(version, replica, line)

    async def hand_over(self) -> None:
        """The in-memory state is kept."""


class InFiles(LogsBench):
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.logs: LogFiles = self._make()

    def _make(self) -> LogFiles:
        return LogFiles(self._directory, self._directory / "read.json")

    async def write(self, version: VersionKey, replica: int, line: str) -> None:
        with (self._directory / f"{replica_key(version, replica).id}.5eed.log").open("a") as file:
            file.write(f"{line}\n")

    async def hand_over(self) -> None:
        self.logs.close()
        self.logs = self._make()


class InPods(LogsBench):
    """Pods of an API server that serves their logs."""

    def __init__(
        self, server: ScriptedLogs, api: KubernetesApi, pods: Callable[[], Iterable[Manifest]], file: Path
    ) -> None:
        self._server = server
        self._api = api
        self._pods = pods
        self._file = file
        self.logs: PodLogs = self._make()

    def _make(self) -> PodLogs:
        logs = PodLogs(self._api, self._pods, self._file)
        logs.load()
        return logs

    async def write(self, version: VersionKey, replica: int, line: str) -> None:
        self._server.write(version, replica, line)
        self.logs.look()
        await self._until_readable(version, line)

    async def hand_over(self) -> None:
        await self.logs.close()
        self.logs = self._make()
        self.logs.look()
        await self._until_readable(*self._server.last)

    async def _until_readable(self, version: VersionKey, line: str) -> None:
        async def is_readable() -> bool:
            return any(part.version == version and line in part.lines for part in await self.logs.read())

        await eventually(is_readable, within=20)


@asynccontextmanager
async def in_memory(_directory: Path) -> AsyncIterator[LogsBench]:
    yield InMemory()


@asynccontextmanager
async def in_files(directory: Path) -> AsyncIterator[LogsBench]:
    bench = InFiles(directory)
    yield bench
    bench.logs.close()


@asynccontextmanager
async def in_pods(directory: Path) -> AsyncIterator[LogsBench]:
    async with scripted_logs() as (server, client):
        bench = InPods(server, KubernetesApi(client), server.pods.values, directory / "positions.json")
        yield bench
        await bench.logs.close()


LOGS: dict[str, Callable[[Path], AbstractAsyncContextManager[LogsBench]]] = {
    "memory": in_memory,
    "files": in_files,
    "scripted": in_pods,
}
