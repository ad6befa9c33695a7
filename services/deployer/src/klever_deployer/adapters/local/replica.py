"""One model server: started, probed, and restarted when it exits."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic

import aiohttp
import structlog

from klever_deployer.domain.causes import explained
from klever_deployer.domain.versions import CUSTOM
from kleversandbox.homes import make_home, remove_home
from kleversandbox.starting import starting
from modelformats.threads import in_thread

from . import processes
from .launcher import Launch, Launcher, Ports, has_inner, memory_limit, ready_path, takes_grpc
from .own_servers import fault_of
from .processes import OWNER, ProcessRecord
from .replica_specs import Endpoint, ReplicaSpec, ReplicaState

log = structlog.get_logger(__name__)

HOST = "127.0.0.1"
FIRST_PROBE_SECONDS = 0.03
PROBE_SECONDS = 0.75
"""Pause between two looks at a server that was ready once."""
PROBE_TIMEOUT = aiohttp.ClientTimeout(total=1)
"""A server that does not say in this time that it is ready, is not; with the pause this is seen within two seconds."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
MAX_FAILED_STARTS = 3
"""Consecutive failed starts after which a replica counts as failed; restarts continue with a growing pause."""
OK = 200
FORBIDDEN = 403
"""The response of a server with another key than the ingress has, because the secret was replaced."""
NO_MODEL = frozenset({400, 404})
"""How servers answer that run without the model, since someone unloaded it; one that is busy or drains answers 503."""
GONE_LOOKS = 3
"""Consecutive responses of this kind after which a server is restarted."""
STABLE_SECONDS = 10.0
"""A server that exits sooner after it became ready counts as a failed start."""


@dataclass(frozen=True)
class Places:
    """Where a replica's files are."""

    record: Path
    log: Path
    owner: Path
    home: Path
    """Of the model server."""

    def forget(self) -> None:
        """Remove what was written of it, and what it has written."""
        remove_home(self.home)
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
        self._record = ProcessRecord.read(places.record)
        adopted = self._adopted()
        self.state = ReplicaState(
            spec.key,
            # It may well be ready: requests that go there now stay there until that is known.
            endpoint=Endpoint(HOST, adopted.port, adopted.grpc_port) if adopted else None,
            sandbox=adopted.sandbox if adopted else "",
        )
        self._spec = spec
        self._places = places
        self._launcher = launcher
        self._session = session
        self._on_change = on_change
        self._is_written = True
        self._first_ready: float | None = None
        self._task = asyncio.create_task(self._keep())

    @property
    def record(self) -> ProcessRecord | None:
        """Of the process that runs, or ran last."""
        return self._record

    async def stop(self, grace_seconds: float) -> None:
        """End the process."""
        await self.abandon()
        if self._record is not None:
            await processes.stop(self._record, grace_seconds=grace_seconds)

    async def abandon(self) -> None:
        """Stop watching, and leave the process to the next deployer."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        """Adopts or starts the server, probes it, and restarts it after a pause that grows with each failed start."""
        failed_starts = 0
        while True:
            try:
                stayed = await self._run_once()
                failure = explained(processes.last_lines(self._places.log))
            except Exception as error:
                log.exception("model server not started, retrying", replica=self._spec.key.id)
                stayed, failure = 0.0, f"it cannot be started: {error}"
            failed_starts = 1 if stayed >= STABLE_SECONDS else failed_starts + 1
            problem = failure if failed_starts >= MAX_FAILED_STARTS else None
            restarts = self.state.restarts + 1
            self._change(replace(self.state, endpoint=None, ready=False, restarts=restarts, failure=problem))
            await asyncio.sleep(min(FIRST_PAUSE * 2 ** (failed_starts - 1), LONGEST_PAUSE))

    async def _run_once(self) -> float:
        """Seconds since the server was first ready, once it has exited. Raises OSError if it cannot be started."""
        adopted = self._adopted()
        record = adopted or await self._start()
        prober = asyncio.create_task(self._probe(record, is_tried=adopted is not None))
        ended = asyncio.create_task(self._end_of(record))
        try:
            await asyncio.wait({prober, ended}, return_when=asyncio.FIRST_COMPLETED)
            for done in (prober, ended):
                if done.done():
                    done.result()
        finally:
            prober.cancel()
            ended.cancel()
            await asyncio.gather(prober, ended, return_exceptions=True)
        processes.kill_session(record)
        return monotonic() - self._first_ready if self._first_ready is not None else 0.0

    def _adopted(self) -> ProcessRecord | None:
        return self._record if self._record is not None and self._record.find() is not None else None

    async def _start(self) -> ProcessRecord:
        """On the same ports as before where they are free, so that the proxy need not learn others."""
        record = self._record
        await in_thread(make_home, self._places.home)
        http = processes.port_like(HOST, record.port if record else 0)
        grpc = processes.port_like(HOST, record.grpc_port if record else 0) if takes_grpc(self._spec) else 0
        inner = processes.free_port(HOST) if has_inner(self._spec) else 0
        launch = self._launcher(self._spec, Ports(HOST, http, grpc, inner), self._places.home)
        started = replace(self._spawn(launch, http), grpc_port=grpc, about=asdict(self._spec.key))
        self._record = replace(started, sandbox=launch.sandbox)
        self.state = replace(self.state, sandbox=launch.sandbox)
        self._write_down()
        return self._record

    def _spawn(self, launch: Launch, port: int) -> ProcessRecord:
        environment = launch.policy.environment | {OWNER: str(self._places.owner)}
        with starting(launch.policy._replace(environment=environment), launch.launcher_env) as start:
            return processes.spawn(
                start.command,
                log=self._places.log,
                owner=self._places.owner,
                port=port,
                env=start.environment,
                cores=launch.cores,
                descriptors=start.descriptors,
            )

    def _write_down(self) -> None:
        """Writes the record by which the next deployer finds the server; on a full disk this is retried later."""
        if self._record is None:
            return
        try:
            self._record.write(self._places.record)
        except OSError as error:
            if self._is_written:
                log.warning("record not written: free some space", replica=self._spec.key.id, error=str(error))
            self._is_written = False
        else:
            self._is_written = True

    async def _end_of(self, record: ProcessRecord) -> None:
        """Returns when the server has exited or was stopped because of its memory limit."""
        gone = asyncio.create_task(processes.wait_gone(record))
        limit = memory_limit(self._spec)
        try:
            while limit is not None and not gone.done():
                used = processes.memory_of(record)
                if used > limit:
                    processes.note(self._places.log, f"ended: it used {used} bytes of memory, its limit is {limit}")
                    await processes.stop(record, grace_seconds=0.0)
                await asyncio.wait({gone}, timeout=processes.POLL_SECONDS)
            await gone
        finally:
            gone.cancel()

    async def _probe(self, record: ProcessRecord, *, is_tried: bool) -> None:
        """Reports changes of readiness until cancelled."""
        self._first_ready = None
        endpoint, gone = Endpoint(HOST, record.port, record.grpc_port), 0
        while True:
            status = await self._probe_status(record)
            ready = status == OK
            if ready and not is_tried:
                is_tried = True
                if not await self._passes_trial(record):
                    return
            gone = gone + 1 if self._is_useless(status) else 0
            if gone == GONE_LOOKS:
                processes.note(self._places.log, f"ended: its readiness probe gets status {status}")
                await processes.stop(record, grace_seconds=0.0)
            if ready and self._first_ready is None:
                self._first_ready = monotonic()
            if ready != self.state.ready:
                self._change(replace(self.state, endpoint=endpoint, ready=ready, failure=None))
            if not self._is_written:
                self._write_down()
            await asyncio.sleep(FIRST_PROBE_SECONDS if self._first_ready is None else PROBE_SECONDS)

    async def _passes_trial(self, record: ProcessRecord) -> bool:
        """Whether the server may count as ready; a custom server that fails on its own samples is stopped."""
        if self._spec.prepared.runtime != CUSTOM:
            return True
        url = f"http://{HOST}:{record.port}/v2/models/{self._spec.key.serving.name}"
        fault = await fault_of(self._session, url)
        if fault is None:
            return True
        processes.note(self._places.log, f"ended: {fault}")
        await processes.stop(record, grace_seconds=0.0)
        return False

    def _is_useless(self, status: int | None) -> bool:
        """Whether only a restart helps: the model was unloaded, or the server has another key."""
        has_key = bool(self._launcher.probe_headers(self._spec))
        return (has_key and status == FORBIDDEN) or (self._first_ready is not None and status in NO_MODEL)

    async def _probe_status(self, record: ProcessRecord) -> int | None:
        """The status of the readiness response; None if there is none."""
        url = f"http://{HOST}:{record.port}{ready_path(self._spec)}"
        try:
            headers = self._launcher.probe_headers(self._spec)
            async with self._session.get(url, headers=headers, timeout=PROBE_TIMEOUT) as response:
                return response.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None

    def _change(self, state: ReplicaState) -> None:
        self.state = state
        self._on_change(state)
