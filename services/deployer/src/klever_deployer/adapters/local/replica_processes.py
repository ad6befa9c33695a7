"""Starts, adopts and stops the processes of model servers."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp
import structlog

from kleverkit.tasks import cancel
from kleverroutes.versions import ServingName
from kleversandbox.homes import remove_home
from modelformats.threads import in_thread

from . import processes
from .launcher import Launcher
from .log_files import name_pattern, new_name
from .processes import ProcessRecord
from .replica import Replica, ReplicaPaths
from .replica_specs import ReplicaKey, ReplicaSpec, ReplicaState

log = structlog.get_logger(__name__)


class ReplicaProcesses:
    """The replicas on this machine, including those of earlier deployers.

    Args:
        directory: holds logs, and records by which the next deployer adopts processes.
        launcher: decides how a model server is started.
        on_change: called when the state of a replica has changed.
        grace_seconds: longest time for requests in flight when one is stopped.
    """

    def __init__(
        self, directory: Path, launcher: Launcher, on_change: Callable[[ReplicaState], None], *, grace_seconds: float
    ) -> None:
        self._directory = directory
        self._launcher = launcher
        self._on_change = on_change
        self._grace = grace_seconds
        self._replicas: dict[ReplicaKey, Replica] = {}
        self._stopping: dict[ReplicaKey, asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._leftovers: dict[ReplicaKey, ProcessRecord] = {}
        self._is_open = False

    def load(self) -> None:
        """Read the records of earlier deployers; called first."""
        self._leftovers = self._read_records()
        self._is_open = True

    async def run(self) -> None:
        """Stop processes without a record, which a deployer has started before it was killed; then wait."""
        known = [*self._leftovers.values(), *(replica.record for replica in self._replicas.values() if replica.record)]
        for record in processes.unrecorded(self._directory, known):
            log.warning("stopping a model server without a record", pid=record.pid)
            await processes.stop(record, grace_seconds=self._grace)
        for home in self._homes.glob("*"):
            if home.name not in {state.key.id for state in self.states()}:
                await in_thread(remove_home, home)
        await asyncio.Event().wait()

    async def start(self, spec: ReplicaSpec) -> None:
        """Start a replica, unless it runs; a process of an earlier deployer is adopted."""
        while (ending := self._stopping.get(spec.key)) is not None:
            await asyncio.shield(ending)  # the stop completes even if this start is cancelled
        if spec.key in self._replicas or not self._is_open:
            return
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._records.mkdir(parents=True, exist_ok=True)
        self._leftovers.pop(spec.key, None)
        self._replicas[spec.key] = Replica(spec, self._paths(spec.key), self._launcher, self._session, self._on_change)

    async def stop(self, key: ReplicaKey) -> None:
        """Let a replica finish its requests and exit; completes even when the caller is cancelled."""
        replica, left = self._replicas.pop(key, None), self._leftovers.pop(key, None)
        if replica is not None or left is not None:
            self._stopping[key] = asyncio.create_task(self._end(key, replica, left))
        if (task := self._stopping.get(key)) is not None:
            await asyncio.shield(task)

    def is_running(self, key: ReplicaKey) -> bool:
        """Return whether this deployer has started or adopted the replica."""
        return key in self._replicas

    def all_keys(self) -> set[ReplicaKey]:
        """The keys of all replicas, including those that are being stopped."""
        return {*self._replicas, *self._leftovers, *self._stopping}

    def states(self, serving: ServingName | None = None) -> list[ReplicaState]:
        """The replicas of a serving, or of all servings."""
        running = [each.state for key, each in self._replicas.items() if serving is None or key.serving == serving]
        return [*running, *(ReplicaState(key) for key in self._leftovers if serving is None or key.serving == serving)]

    async def stop_all(self) -> None:
        """Stop all model servers, and start no more."""
        self._is_open = False
        await asyncio.gather(*(self.stop(key) for key in [*self._replicas, *self._leftovers]))
        await asyncio.gather(*self._stopping.values(), return_exceptions=True)
        await self._close_session()

    async def abandon(self) -> None:
        """Stop monitoring, and leave the processes to the next deployer."""
        self._is_open = False
        await asyncio.gather(*(replica.abandon() for replica in self._replicas.values()))
        self._leftovers = self._read_records()
        self._replicas.clear()
        await cancel([*self._stopping.values()])  # the next deployer stops those that still have a record
        await self._close_session()

    async def _close_session(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _end(self, key: ReplicaKey, replica: Replica | None, left: ProcessRecord | None) -> None:
        try:
            if replica is not None:
                await replica.stop(self._grace)
            elif left is not None:
                await processes.stop(left, grace_seconds=self._grace)
            await in_thread(self._paths(key).forget)
        except OSError:
            if (record := ProcessRecord.read(self._paths(key).record)) is not None:
                self._leftovers[key] = record  # still recorded, so it can be stopped again
            raise
        finally:
            del self._stopping[key]  # in the same iteration of the event loop: otherwise a waiter is never woken

    def _read_records(self) -> dict[ReplicaKey, ProcessRecord]:
        """The records of earlier deployers; their replicas are adopted by `start`, or stopped if not needed."""
        left = {}
        for path in self._records.glob("*.json"):
            record = ProcessRecord.read(path)
            key = _key(record) if record is not None else None
            if record is None or key is None:
                log.warning("record of a model server not readable; the server will be stopped", path=str(path))
            else:
                left[key] = record
        return left

    @property
    def _records(self) -> Path:
        return self._directory / "replicas"

    def _paths(self, key: ReplicaKey) -> ReplicaPaths:
        logs = self._directory / "logs"
        present = next(logs.glob(name_pattern(key)), None)
        return ReplicaPaths(
            record=self._records / f"{key.id}.json",
            log=present or logs / new_name(key),
            owner=self._directory,
            home=self._homes / key.id,
        )

    @property
    def _homes(self) -> Path:
        return self._directory / "homes"


def _key(record: ProcessRecord) -> ReplicaKey | None:
    """The key of the replica, from its record."""
    try:
        return ReplicaKey(**record.about | {"serving": ServingName(**record.about["serving"])})
    except (KeyError, TypeError):
        return None
