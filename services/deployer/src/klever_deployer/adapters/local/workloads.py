"""Model servers as processes on this machine."""

import asyncio
from pathlib import Path

import aiohttp
import structlog

from klever_deployer.domain.replicas import ReplicaKey, ReplicaSpec, ReplicaState, ServingName
from kleverproto.variants import Variant

from . import processes
from .launching import Launcher, refusal
from .log_files import LogFiles
from .processes import ProcessRecord
from .replica import Places, Replica

log = structlog.get_logger(__name__)

PROBE_TIMEOUT = aiohttp.ClientTimeout(total=2)


class LocalWorkloads:
    """See `ports.Workloads`.

    Args:
        directory: logs, and records of what runs, by which the next deployer adopts it.
        launcher: how a model server is started.
        grace_seconds: longest time for requests in flight when one is stopped.
    """

    def __init__(self, directory: Path, launcher: Launcher, *, grace_seconds: float) -> None:
        self._directory = directory
        self._launcher = launcher
        self._grace = grace_seconds
        self._replicas: dict[ReplicaKey, Replica] = {}
        self._stopping: dict[ReplicaKey, asyncio.Task[None]] = {}
        self._changed: set[ServingName] = set()
        self._change = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None
        self._left = self._read_left()

    @property
    def logs(self) -> LogFiles:
        """What the replicas write."""
        directory = self._directory / "logs"
        return LogFiles(directory, directory / "read.json")

    async def run(self) -> None:
        """End what a deployer started and was killed before it could write it down; then nothing more."""
        known = {record.pid for record in self._left.values()} | {r.pid for r in self._replicas.values()}
        for record in processes.strangers(self._directory, known):
            log.warning("stopping a model server that nobody wrote down", pid=record.pid)
            await processes.stop(record, grace_seconds=self._grace)
        await asyncio.Event().wait()

    def refusal(self, variant: Variant) -> str | None:
        """See `Workloads`."""
        return refusal(variant)

    async def start(self, spec: ReplicaSpec) -> None:
        """See `Workloads`. A process that an earlier deployer started for this replica is adopted."""
        if spec.key in self._replicas:
            return
        if (ending := self._stopping.get(spec.key)) is not None:
            await ending
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=PROBE_TIMEOUT)
        self._records.mkdir(parents=True, exist_ok=True)
        self._left.pop(spec.key, None)
        self._replicas[spec.key] = Replica(spec, self._places(spec.key), self._launcher, self._session, self._on_change)

    async def stop(self, key: ReplicaKey) -> None:
        """See `Workloads`. Goes on to its end even when the caller is cancelled."""
        replica, left = self._replicas.pop(key, None), self._left.pop(key, None)
        if replica is not None or left is not None:
            ending = asyncio.create_task(self._end(key, replica, left))
            self._stopping[key] = ending
            ending.add_done_callback(lambda _task: self._stopping.pop(key, None))
        if (task := self._stopping.get(key)) is not None:
            await asyncio.shield(task)

    def states(self) -> list[ReplicaState]:
        """See `Workloads`."""
        return [*(replica.state for replica in self._replicas.values()), *(ReplicaState(key) for key in self._left)]

    async def changed(self) -> set[ServingName]:
        """See `Workloads`."""
        await self._change.wait()
        self._change.clear()
        changed, self._changed = self._changed, set()
        return changed

    async def close(self) -> None:
        """Stop every model server."""
        await asyncio.gather(*(self.stop(key) for key in [*self._replicas, *self._left]))
        await asyncio.gather(*self._stopping.values())
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def abandon(self) -> None:
        """Stop watching, and leave the processes to the next deployer."""
        await asyncio.gather(*(replica.abandon() for replica in self._replicas.values()))
        self._replicas.clear()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _end(self, key: ReplicaKey, replica: Replica | None, left: ProcessRecord | None) -> None:
        if replica is not None:
            await replica.stop(self._grace)
        if left is not None:
            await processes.stop(left, grace_seconds=self._grace)
            self._places(key).forget()

    def _read_left(self) -> dict[ReplicaKey, ProcessRecord]:
        """What an earlier deployer left: adopted when it is started here, stopped if nothing needs it."""
        found = [record for path in self._records.glob("*.json") if (record := ProcessRecord.read(path)) is not None]
        return {ReplicaKey(**r.about | {"serving": ServingName(**r.about["serving"])}): r for r in found}

    @property
    def _records(self) -> Path:
        return self._directory / "replicas"

    def _places(self, key: ReplicaKey) -> Places:
        return Places(
            record=self._records / f"{key.id}.json",
            log=self._directory / "logs" / f"{key.id}.log",
            owner=self._directory,
        )

    def _on_change(self, state: ReplicaState) -> None:
        self._changed.add(state.key.serving)
        self._change.set()
