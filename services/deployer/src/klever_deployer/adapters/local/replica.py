"""One model server: started, watched, started again when it ends by itself."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic

import aiohttp

from klever_deployer.domain.replicas import Endpoint, ReplicaSpec, ReplicaState

from . import processes
from .launching import Launch, Launcher, Ports, takes_grpc
from .processes import ProcessRecord

HOST = "127.0.0.1"
PROBE_SECONDS = 0.03
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
HOPELESS = 3
"""Starts in vain, one after the other, before a replica counts as failed; it is tried on, more and more slowly."""
OK = 200

STABLE_SECONDS = 10.0
"""A server that ends sooner after it got ready has started in vain."""


@dataclass(frozen=True)
class Places:
    """Where a replica's files are."""

    record: Path
    log: Path
    owner: Path

    def forget(self) -> None:
        """Remove what was written of it."""
        self.record.unlink(missing_ok=True)
        self.log.unlink(missing_ok=True)


class Replica:
    """Keeps one model server running.

    Args:
        spec: what it runs.
        places: its files.
        launcher: how it is started.
        session: for readiness probes.
        on_change: called whenever its state has changed.
    """

    def __init__(
        self,
        spec: ReplicaSpec,
        places: Places,
        launcher: Launcher,
        session: aiohttp.ClientSession,
        on_change: Callable[[ReplicaState], None],
    ) -> None:
        self.state = ReplicaState(spec.key, runtime=spec.prepared.runtime, made=spec.prepared.model.made)
        self._spec = spec
        self._places = places
        self._launcher = launcher
        self._session = session
        self._on_change = on_change
        self._record = ProcessRecord.read(places.record)
        self._task = asyncio.create_task(self._keep())

    @property
    def pid(self) -> int:
        """Of the process that runs, or ran last."""
        return self._record.pid if self._record else 0

    async def stop(self, grace_seconds: float) -> None:
        """End the process and forget it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._record is not None:
            await processes.stop(self._record, grace_seconds=grace_seconds)
        self._places.forget()

    async def abandon(self) -> None:
        """Stop watching, and leave the process to the next deployer."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        """Adopt what runs, or start; watch; start again after a pause that grows while it does not stay."""
        in_vain = 0
        while True:
            record = self._adopted() or self._start()
            if await self._becomes_ready(record):
                self._change(endpoint=Endpoint(HOST, record.port, record.grpc_port), ready=True, failure=None)
                began = monotonic()
                await self._watch(record)
                in_vain = 0 if monotonic() - began >= STABLE_SECONDS else in_vain
            in_vain += 1
            failure = processes.tail(self._places.log) if in_vain >= HOPELESS else None
            self._change(endpoint=None, ready=False, restarts=self.state.restarts + 1, failure=failure)
            await asyncio.sleep(min(FIRST_PAUSE * 2 ** (in_vain - 1), LONGEST_PAUSE))

    def _adopted(self) -> ProcessRecord | None:
        return self._record if self._record is not None and self._record.find() is not None else None

    def _start(self) -> ProcessRecord:
        """On the same ports as before where they are free, so that the proxy need not learn others."""
        record = self._record
        http = processes.port_like(HOST, record.port if record else 0)
        grpc = processes.port_like(HOST, record.grpc_port if record else 0) if takes_grpc(self._spec) else 0
        launch = self._launcher(self._spec, Ports(HOST, http, grpc))
        started = processes.spawn(
            launch.command,
            log=self._places.log,
            owner=self._places.owner,
            port=http,
            env=launch.env,
            cwd=launch.cwd,
            cores=launch.cores,
        )
        self._record = replace(started, grpc_port=grpc, about=asdict(self._spec.key))
        self._record.write(self._places.record)
        return self._record

    async def _watch(self, record: ProcessRecord) -> None:
        """Return when it has ended, by itself or because it used too much."""
        limit = self._launch.memory
        while record.find() is not None:
            used = processes.memory_of(record) if limit is not None else 0
            if limit is not None and used > limit:
                processes.note(self._places.log, f"ended: it used {used} bytes of memory, its limit is {limit}")
                await processes.stop(record, grace_seconds=0.0)
                return
            await asyncio.sleep(processes.POLL_SECONDS)
        await processes.wait_gone(record)

    async def _becomes_ready(self, record: ProcessRecord) -> bool:
        """Whether it answers that it is ready before it ends."""
        url = f"http://{HOST}:{record.port}{self._launch.ready_path}"
        while record.find() is not None:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self._session.get(url) as response:
                    if response.status == OK:
                        return True
            await asyncio.sleep(PROBE_SECONDS)
        return False

    @property
    def _launch(self) -> Launch:
        """How it runs; the ports do not matter here."""
        return self._launcher(self._spec, Ports(HOST, 0))

    def _change(self, **changes: object) -> None:
        self.state = replace(self.state, **changes)  # type: ignore[arg-type] # fields of ReplicaState
        self._on_change(self.state)
