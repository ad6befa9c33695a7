"""The backend for one machine: model servers and Envoy as processes, models on its disk."""

import os
import sys
from pathlib import Path
from typing import Self

from klever_deployer.adapters.request_scaling import RequestScaling
from klever_deployer.settings import DeployerSettings
from kleverkit.loops import BackgroundLoops
from kleverkit.secret_files import SecretFiles
from kleversandbox.support import Confinement, find_support
from modelconversion.toolchains.store import ToolchainStore
from ormb.client import OrmbClient

from .access_keys import AccessKeys
from .envoy import Envoy
from .ingress import LocalIngress
from .launcher import ProcessLauncher, server_packages, server_path
from .log_files import LogFiles
from .model_store import LocalModelStore
from .preparation import LocalPreparation
from .replica_processes import ReplicaProcesses
from .shelf import Shelf
from .toolchains import LocalToolchains
from .waiting_room import WaitingRoom
from .workloads import LocalWorkloads


class LocalBackend:
    """See `ports.Backend`.

    Args:
        settings: directories, addresses and limits.
        client: pulls models; not entered yet.
    """

    def __init__(self, settings: DeployerSettings, client: OrmbClient) -> None:
        work_dir = settings.work_dir.resolve()
        confinement = Confinement(find_support(), settings.allow_unsandboxed)
        toolchains = LocalToolchains(ToolchainStore(settings.toolchains, uv=os.environ.get("UV", "uv")))
        self._store = LocalModelStore(work_dir / "models", client)
        self.models = LocalPreparation(Shelf(self._store), toolchains, confinement)
        keys = AccessKeys.from_file(work_dir / "access.secret")
        self.requests = _envoy(settings, work_dir, keys)
        self.scaling = RequestScaling(self.requests)
        self.workloads = _workloads(settings, work_dir, confinement, self.models, keys)
        self._room = WaitingRoom(
            self.workloads.ready_endpoint,
            self.scaling.wake,
            patience=settings.ready_timeout_seconds,
            limit=settings.max_request_bytes,
            keys=keys,
        )
        self.data_plane = LocalIngress(self.requests, self.workloads.endpoints, self._room)
        self.workloads.withdraw_by(self.data_plane.refresh)
        logs = work_dir / "workloads" / "logs"
        self.logs = LogFiles(logs, logs / "read.json")
        envoy, run_room = self.requests, self._room.run
        loops = [self._store.run, self.workloads.replicas.run, envoy.run, envoy.logs.run, run_room, self.scaling.run]
        self._loops = BackgroundLoops([*loops, self._follow])

    async def __aenter__(self) -> Self:
        """Read the records of the last deployer, so that its processes are adopted."""
        self.requests.load()
        self.workloads.replicas.load()
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Leave model servers and Envoy to the next deployer."""
        await self.workloads.abandon()
        self.data_plane.reset()
        self.scaling.reset()
        self.logs.close()

    async def run(self) -> None:
        """See `Backend`. A loop that fails is restarted while the others continue."""
        await self._loops.run()

    async def problem(self) -> str | None:
        """See `Backend`."""
        if not await self.requests.is_live():
            return "Envoy does not respond: see envoy.log in the work directory"
        return await self._loops.problem()

    async def stop(self) -> None:
        """Stop all model servers, then Envoy."""
        async with self:
            await self.workloads.replicas.stop_all()
            await self.requests.stop()

    async def _follow(self) -> None:
        await self.data_plane.follow(self.workloads.moved)


def _workloads(
    settings: DeployerSettings,
    work_dir: Path,
    confinement: Confinement,
    models: LocalPreparation,
    keys: AccessKeys,
) -> LocalWorkloads:
    """The workloads, whose model servers import only the server's packages and those of their environment."""
    path = server_path(work_dir / "python", server_packages())
    secrets, limit = SecretFiles(settings.secrets), settings.max_request_bytes
    launcher = ProcessLauncher(Path(sys.executable), path, secrets, confinement, max_request_bytes=limit, keys=keys)
    directory, grace = work_dir / "workloads", settings.grace_seconds
    return LocalWorkloads(
        lambda on_change: ReplicaProcesses(directory, launcher, on_change, grace_seconds=grace),
        launcher,
        models.prepared,
    )


def _envoy(settings: DeployerSettings, work_dir: Path, keys: AccessKeys) -> Envoy:
    return Envoy(
        work_dir / "envoy",
        host=settings.ingress_host,
        port=settings.ingress_port,
        drain_seconds=settings.grace_seconds,
        otlp_endpoint=settings.otlp_endpoint,
        max_request_bytes=settings.max_request_bytes,
        keys=keys,
    )
