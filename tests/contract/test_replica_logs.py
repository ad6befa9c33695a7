"""One suite for every reader of replica output: local log files and memory."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from klever_deployer.adapters.local.log_files import LogFiles
from klever_deployer.adapters.local.replica_specs import replica_key
from klever_deployer.adapters.memory import InMemoryLogs
from klever_deployer.domain.versions import VersionKey
from klever_deployer.ports import ReplicaLogs
from support.data_planes import version_key

V1, V2 = version_key("v1"), version_key("v2")


class LogsBench(ABC):
    """Replicas that write lines, and their reader."""

    logs: ReplicaLogs

    @abstractmethod
    def write(self, version: VersionKey, replica: int, line: str) -> None:
        """Write a line as a replica."""

    @abstractmethod
    def hand_over(self) -> None:
        """Replace the present deployer by another one."""

    async def lines(self) -> list[tuple[str, int, str]]:
        """Read and acknowledge the next lines: variant, replica, line."""
        parts = await self.logs.read()
        await self.logs.acknowledge(parts)
        return sorted((part.version.variant, part.replica, line) for part in parts for line in part.lines)


class InMemory(LogsBench):
    def __init__(self, _directory: Path) -> None:
        self.logs: InMemoryLogs = InMemoryLogs()

    def write(self, version: VersionKey, replica: int, line: str) -> None:
        self.logs.write(version, replica, line)

    def hand_over(self) -> None:
        """The in-memory state is kept."""


class InFiles(LogsBench):
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.logs: LogFiles = self._make()

    def _make(self) -> LogFiles:
        return LogFiles(self._directory, self._directory / "read.json")

    def write(self, version: VersionKey, replica: int, line: str) -> None:
        with (self._directory / f"{replica_key(version, replica).id}.5eed.log").open("a") as file:
            file.write(f"{line}\n")

    def hand_over(self) -> None:
        self.logs.close()
        self.logs = self._make()


LOGS: dict[str, Callable[[Path], LogsBench]] = {"memory": InMemory, "files": InFiles}


@pytest.fixture(params=LOGS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogsBench]:
    bench = LOGS[request.param](tmp_path)
    yield bench
    bench.hand_over()


async def test_each_line_comes_once_and_names_its_replica(bench: LogsBench) -> None:
    for version, replica, line in ((V1, 0, "one"), (V1, 1, "two"), (V2, 0, "three")):
        bench.write(version, replica, line)
    assert await bench.lines() == [("v1", 0, "one"), ("v1", 1, "two"), ("v2", 0, "three")]
    assert await bench.lines() == []


async def test_a_part_is_repeated_until_it_is_acknowledged(bench: LogsBench) -> None:
    bench.write(V1, 0, "one")
    first, again = await bench.logs.read(), await bench.logs.read()
    assert first == again != []
    await bench.logs.acknowledge(first)
    assert await bench.logs.read() == []


async def test_each_part_of_a_replica_has_its_own_id(bench: LogsBench) -> None:
    ids = []
    for line in ("one", "two", "three"):
        bench.write(V1, 0, line)
        parts = await bench.logs.read()
        await bench.logs.acknowledge(parts)
        ids += [part.id for part in parts]
    assert len(set(ids)) == len(ids) == 3


async def test_the_next_deployer_resumes_after_the_acknowledged_part(bench: LogsBench) -> None:
    bench.write(V1, 0, "one")
    assert await bench.lines() == [("v1", 0, "one")]
    bench.write(V1, 0, "two")
    bench.hand_over()
    assert await bench.lines() == [("v1", 0, "two")]
