"""One model server: started, watched, started again when it ends by itself."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import aiohttp

from klever_deployer.domain.replicas import Endpoint, ReplicaSpec, ReplicaState
from klever_deployer.domain.runtimes import runtime_of

from . import processes
from .processes import ProcessRecord

HOST = "127.0.0.1"
PROBE_SECONDS = 0.03
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
HOPELESS = 3
"""Starts in vain, one after the other, before a replica counts as failed; it is tried on, more and more slowly."""
OK = 200

Command = Callable[[ReplicaSpec, str, int], Sequence[str]]
"""Spec, host and port to the command line of a model server."""


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
        command: how it is started.
        session: for readiness probes.
        on_change: called whenever its state has changed.
    """

    def __init__(
        self,
        spec: ReplicaSpec,
        places: Places,
        command: Command,
        session: aiohttp.ClientSession,
        on_change: Callable[[ReplicaState], None],
    ) -> None:
        self.state = ReplicaState(spec.key, runtime=runtime_of(spec.variant, spec.model.format) or "")
        self._spec = spec
        self._places = places
        self._command = command
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
        """Adopt what runs, or start; watch; start again after a pause that grows while it does not get ready."""
        in_vain = 0
        while True:
            record = self._adopted() or self._start()
            if await self._becomes_ready(record):
                in_vain = 0
                self._change(endpoint=Endpoint(HOST, record.port), ready=True, failure=None)
                await processes.wait_gone(record)
            else:
                in_vain += 1
            failure = processes.tail(self._places.log) if in_vain >= HOPELESS else None
            self._change(endpoint=None, ready=False, restarts=self.state.restarts + 1, failure=failure)
            await asyncio.sleep(min(FIRST_PAUSE * 2**in_vain, LONGEST_PAUSE))

    def _adopted(self) -> ProcessRecord | None:
        return self._record if self._record is not None and self._record.find() is not None else None

    def _start(self) -> ProcessRecord:
        """On the same port as before where it is free, so that the proxy need not learn another."""
        port = self._record.port if self._record else 0
        if not port or not processes.is_free(HOST, port):
            port = processes.free_port(HOST)
        command = self._command(self._spec, HOST, port)
        threads = {"OMP_NUM_THREADS": "1"}
        self._record = processes.spawn(command, log=self._places.log, owner=self._places.owner, port=port, env=threads)
        self._record = replace(self._record, about=asdict(self._spec.key))
        self._record.write(self._places.record)
        return self._record

    async def _becomes_ready(self, record: ProcessRecord) -> bool:
        """Whether it answers that it is ready before it ends."""
        url = f"http://{HOST}:{record.port}/v2/models/{self._spec.key.serving.name}/ready"
        while record.find() is not None:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self._session.get(url) as response:
                    if response.status == OK:
                        return True
            await asyncio.sleep(PROBE_SECONDS)
        return False

    def _change(self, **changes: object) -> None:
        self.state = replace(self.state, **changes)  # type: ignore[arg-type] # fields of ReplicaState
        self._on_change(self.state)
