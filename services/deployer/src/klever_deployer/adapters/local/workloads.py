"""Model servers as processes on this machine."""

import asyncio
from pathlib import Path

import aiohttp
import structlog

from klever_deployer.domain.replicas import ReplicaKey, ReplicaSpec, ReplicaState, ServingName
from kleverkit.tasks import cancel
from kleverproto.variants import Variant
from kleversandbox.homes import remove_home
from modelformats.threads import in_thread

from . import processes
from .launching import Launcher
from .log_files import LogFiles, name_pattern, new_name
from .processes import ProcessRecord
from .replica import Places, Replica

log = structlog.get_logger(__name__)


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
        self._closed = False

    @property
    def logs(self) -> LogFiles:
        """What the replicas write."""
        directory = self._directory / "logs"
        return LogFiles(directory, directory / "read.json")

    async def run(self) -> None:
        """End what a deployer started and was killed before it could write it down; then nothing more."""
        known = [*self._left.values(), *(replica.record for replica in self._replicas.values() if replica.record)]
        for record in processes.strangers(self._directory, known):
            log.warning("stopping a model server that nobody wrote down", pid=record.pid)
            await processes.stop(record, grace_seconds=self._grace)
        for home in self._homes.glob("*"):
            if home.name not in {state.key.id for state in self.states()}:
                await in_thread(remove_home, home)
        await asyncio.Event().wait()

    def refusal(self, namespace: str, variant: Variant) -> str | None:
        """See `Workloads`."""
        return self._launcher.refusal(namespace, variant)

    async def start(self, spec: ReplicaSpec) -> None:
        """See `Workloads`. A process that an earlier deployer started for this replica is adopted."""
        while (ending := self._stopping.get(spec.key)) is not None:
            await asyncio.shield(ending)  # it must end whether this is still wanted then or not
        if spec.key in self._replicas or self._closed:
            return
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._records.mkdir(parents=True, exist_ok=True)
        self._left.pop(spec.key, None)
        self._replicas[spec.key] = Replica(spec, self._places(spec.key), self._launcher, self._session, self._on_change)

    async def stop(self, key: ReplicaKey) -> None:
        """See `Workloads`. Goes on to its end even when the caller is cancelled."""
        replica, left = self._replicas.pop(key, None), self._left.pop(key, None)
        if replica is not None or left is not None:
            self._stopping[key] = asyncio.create_task(self._end(key, replica, left))
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
        """Stop every model server, and start none any more."""
        self._closed = True
        await asyncio.gather(*(self.stop(key) for key in [*self._replicas, *self._left]))
        await asyncio.gather(*self._stopping.values(), return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def abandon(self) -> None:
        """Stop watching, start none any more, and leave the processes to the next deployer."""
        self._closed = True
        await asyncio.gather(*(replica.abandon() for replica in self._replicas.values()))
        self._replicas.clear()
        await cancel([*self._stopping.values()])
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _end(self, key: ReplicaKey, replica: Replica | None, left: ProcessRecord | None) -> None:
        try:
            if replica is not None:
                await replica.stop(self._grace)
            elif left is not None:
                await processes.stop(left, grace_seconds=self._grace)
            await in_thread(self._places(key).forget)
        except OSError:
            if (record := ProcessRecord.read(self._places(key).record)) is not None:
                self._left[key] = record  # what is not forgotten is still there, to be stopped again
            raise
        finally:
            del self._stopping[key]  # in this very turn: who waits for what has ended would never be woken

    def _read_left(self) -> dict[ReplicaKey, ProcessRecord]:
        """What an earlier deployer left: adopted when it is started here, stopped if nothing needs it."""
        left = {}
        for path in self._records.glob("*.json"):
            record = ProcessRecord.read(path)
            key = _key(record) if record is not None else None
            if record is None or key is None:
                log.warning("a model server's record cannot be read; the server will be stopped", path=str(path))
            else:
                left[key] = record
        return left

    @property
    def _records(self) -> Path:
        return self._directory / "replicas"

    def _places(self, key: ReplicaKey) -> Places:
        logs = self._directory / "logs"
        present = next(logs.glob(name_pattern(key)), None)
        return Places(
            record=self._records / f"{key.id}.json",
            log=present or logs / new_name(key),
            owner=self._directory,
            home=self._homes / key.id,
        )

    @property
    def _homes(self) -> Path:
        return self._directory / "homes"

    def _on_change(self, state: ReplicaState) -> None:
        self._changed.add(state.key.serving)
        self._change.set()


def _key(record: ProcessRecord) -> ReplicaKey | None:
    """The replica that a process is."""
    try:
        return ReplicaKey(**record.about | {"serving": ServingName(**record.about["serving"])})
    except (KeyError, TypeError):
        return None
