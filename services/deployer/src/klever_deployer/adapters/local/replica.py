"""One model server: started, probed, and restarted when it exits."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic

import aiohttp
import structlog

from klever_deployer.domain.causes import explain_exit
from kleverproto.variants import CUSTOM
from kleversandbox.homes import make_home, remove_home
from kleversandbox.starting import starting
from modelformats.threads import in_thread

from . import processes
from .custom_servers import sample_fault
from .launcher import Launch, Launcher, Ports, has_inner_server, memory_limit, ready_path, takes_grpc
from .processes import OWNER, ProcessRecord
from .replica_specs import Endpoint, ReplicaSpec, ReplicaState

log = structlog.get_logger(__name__)

HOST = "127.0.0.1"
FIRST_PROBE_SECONDS = 0.03
PROBE_SECONDS = 0.75
"""Interval between probes of a server that was ready once."""
PROBE_TIMEOUT = aiohttp.ClientTimeout(total=1)
"""Timeout of a readiness probe; with the interval, an unready server is detected within two seconds."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
MAX_FAILED_STARTS = 3
"""Consecutive failed starts until a replica counts as failed; restarts continue with a growing pause."""
OK = 200
FORBIDDEN = 403
"""The response of a server whose key differs from that of the ingress, because the secret was replaced."""
NO_MODEL = frozenset({400, 404})
"""Responses of a server whose model was unloaded; a busy or draining server responds with 503."""
BAD_PROBES = 3
"""Consecutive responses of this kind until a server is restarted."""
STABLE_SECONDS = 10.0
"""If a server exits earlier than this after it became ready, the start counts as failed."""


@dataclass(frozen=True)
class ReplicaPaths:
    """The paths of a replica's files."""

    record: Path
    log: Path
    owner: Path
    home: Path
    """Home directory of the model server."""

    def forget(self) -> None:
        """Remove the replica's record, home and log."""
        remove_home(self.home)
        self.record.unlink(missing_ok=True)
        self.log.unlink(missing_ok=True)


class Replica:
    """Keeps one model server running.

    Args:
        spec: the specification of the replica.
        places: the paths of its files.
        launcher: decides how it is started.
        session: the HTTP client for readiness probes.
        on_change: called when its state has changed.
    """

    def __init__(
        self,
        spec: ReplicaSpec,
        places: ReplicaPaths,
        launcher: Launcher,
        session: aiohttp.ClientSession,
        on_change: Callable[[ReplicaState], None],
    ) -> None:
        self._record = ProcessRecord.read(places.record)
        adopted = self._adopted()
        self.state = ReplicaState(
            spec.key,
            # It is probably ready: keep sending requests there until the first probe.
            endpoint=Endpoint(HOST, adopted.port, adopted.grpc_port) if adopted else None,
            sandbox=adopted.sandbox if adopted else "",
        )
        self._spec = spec
        self._paths = places
        self._launcher = launcher
        self._session = session
        self._on_change = on_change
        self._is_written = True
        self._first_ready: float | None = None
        self._task = asyncio.create_task(self._keep_running())

    @property
    def record(self) -> ProcessRecord | None:
        """The record of the present or last process."""
        return self._record

    async def stop(self, grace_seconds: float) -> None:
        """Stop the process."""
        await self.abandon()
        if self._record is not None:
            await processes.stop(self._record, grace_seconds=grace_seconds)

    async def abandon(self) -> None:
        """Stop monitoring, and leave the process to the next deployer."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_running(self) -> None:
        """Adopts or starts the server, probes it, and restarts it after a pause that grows with each failed start."""
        failed_starts = 0
        while True:
            try:
                ready_seconds = await self._run_once()
                failure = explain_exit(processes.last_lines(self._paths.log))
            except Exception as error:
                log.exception("model server not started, retrying", replica=self._spec.key.id)
                ready_seconds, failure = 0.0, f"it cannot be started: {error}"
            failed_starts = 1 if ready_seconds >= STABLE_SECONDS else failed_starts + 1
            problem = failure if failed_starts >= MAX_FAILED_STARTS else None
            restarts = self.state.restarts + 1
            self._change(replace(self.state, endpoint=None, ready=False, restarts=restarts, failure=problem))
            await asyncio.sleep(min(FIRST_PAUSE * 2 ** (failed_starts - 1), LONGEST_PAUSE))

    async def _run_once(self) -> float:
        """Run the server until it exits, and return the seconds since it was first ready. Raises OSError."""
        adopted = self._adopted()
        record = adopted or await self._start()
        prober = asyncio.create_task(self._probe(record, is_tried=adopted is not None))
        ended = asyncio.create_task(self._wait_for_exit(record))
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
        """Start the server, on the same ports as before if they are free, so that routes need not change."""
        record = self._record
        await in_thread(make_home, self._paths.home)
        http = processes.reuse_port(HOST, record.port if record else 0)
        grpc = processes.reuse_port(HOST, record.grpc_port if record else 0) if takes_grpc(self._spec) else 0
        inner = processes.free_port(HOST) if has_inner_server(self._spec) else 0
        launch = self._launcher(self._spec, Ports(HOST, http, grpc, inner), self._paths.home)
        started = replace(self._spawn(launch, http), grpc_port=grpc, about=asdict(self._spec.key))
        self._record = replace(started, sandbox=launch.sandbox)
        self.state = replace(self.state, sandbox=launch.sandbox)
        self._write_record()
        return self._record

    def _spawn(self, launch: Launch, port: int) -> ProcessRecord:
        environment = launch.policy.environment | {OWNER: str(self._paths.owner)}
        with starting(launch.policy._replace(environment=environment), launch.launcher_env) as start:
            return processes.spawn(
                start.command,
                log=self._paths.log,
                owner=self._paths.owner,
                port=port,
                env=start.environment,
                cores=launch.cores,
                descriptors=start.descriptors,
            )

    def _write_record(self) -> None:
        """Write the record by which the next deployer finds the server; if the disk is full, retried later."""
        if self._record is None:
            return
        try:
            self._record.write(self._paths.record)
        except OSError as error:
            if self._is_written:
                log.warning("record not written: free some space", replica=self._spec.key.id, error=str(error))
            self._is_written = False
        else:
            self._is_written = True

    async def _wait_for_exit(self, record: ProcessRecord) -> None:
        """Return when the server has exited, or was stopped because of its memory limit."""
        exited = asyncio.create_task(processes.wait_for_exit(record))
        limit = memory_limit(self._spec)
        try:
            while limit is not None and not exited.done():
                used = processes.memory_of(record)
                if used > limit:
                    processes.append_note(
                        self._paths.log, f"stopped: it used {used} bytes of memory, its limit is {limit}"
                    )
                    await processes.stop(record, grace_seconds=0.0)
                await asyncio.wait({exited}, timeout=processes.POLL_SECONDS)
            await exited
        finally:
            exited.cancel()

    async def _probe(self, record: ProcessRecord, *, is_tried: bool) -> None:
        """Reports changes of readiness until cancelled."""
        self._first_ready = None
        endpoint, bad_probes = Endpoint(HOST, record.port, record.grpc_port), 0
        while True:
            status = await self._probe_status(record)
            ready = status == OK
            if ready and not is_tried:
                is_tried = True
                if not await self._passes_trial(record):
                    return
            bad_probes = bad_probes + 1 if self._needs_restart(status) else 0
            if bad_probes == BAD_PROBES:
                processes.append_note(self._paths.log, f"stopped: its readiness probe returned status {status}")
                await processes.stop(record, grace_seconds=0.0)
            if ready and self._first_ready is None:
                self._first_ready = monotonic()
            if ready != self.state.ready:
                self._change(replace(self.state, endpoint=endpoint, ready=ready, failure=None))
            if not self._is_written:
                self._write_record()
            await asyncio.sleep(FIRST_PROBE_SECONDS if self._first_ready is None else PROBE_SECONDS)

    async def _passes_trial(self, record: ProcessRecord) -> bool:
        """Return whether the server may count as ready; a custom server that fails on all samples is stopped."""
        if self._spec.prepared.runtime != CUSTOM:
            return True
        url = f"http://{HOST}:{record.port}/v2/models/{self._spec.key.serving.name}"
        fault = await sample_fault(self._session, url)
        if fault is None:
            return True
        processes.append_note(self._paths.log, f"stopped: {fault}")
        await processes.stop(record, grace_seconds=0.0)
        return False

    def _needs_restart(self, status: int | None) -> bool:
        """Return whether a restart is necessary: the model was unloaded, or the server has another key."""
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
