"""Model servers as processes of a test."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from klever_deployer.adapters.local.launcher import ProcessLauncher, server_packages, server_path
from klever_deployer.adapters.local.replica_processes import ReplicaProcesses
from klever_deployer.adapters.local.replica_specs import LocalModel, Prepared
from klever_deployer.adapters.local.workloads import LocalWorkloads
from klever_deployer.domain.versions import VersionSpec
from kleverkit.secret_files import SecretFiles
from kleversandbox.support import Confinement, find_support


def launching_in(directory: Path) -> ProcessLauncher:
    """A launcher that starts servers with the interpreter of the tests."""
    path = server_path(directory / "python", server_packages())
    return ProcessLauncher(Path(sys.executable), path, SecretFiles(directory / "secrets"), Confinement(find_support()))


def make_workloads(
    directory: Path, launching: ProcessLauncher, model: Callable[[VersionSpec], Path], *, grace_seconds: float = 5.0
) -> LocalWorkloads:
    """The workloads of a started deployer; `model` is the directory of a version's model."""

    async def prepared(spec: VersionSpec) -> Prepared:
        return Prepared(LocalModel(model(spec), spec.model.facts.format), spec.runtime, None, spec.trust)

    workloads = LocalWorkloads(
        lambda on_change: ReplicaProcesses(directory, launching, on_change, grace_seconds=grace_seconds),
        launching,
        prepared,
    )
    workloads.replicas.load()
    return workloads


@asynccontextmanager
async def local_workloads(
    directory: Path, launching: ProcessLauncher, model: Callable[[VersionSpec], Path], *, grace_seconds: float = 5.0
) -> AsyncIterator[LocalWorkloads]:
    """The same; every server is stopped afterwards."""
    workloads = make_workloads(directory, launching, model, grace_seconds=grace_seconds)
    yield workloads
    await workloads.replicas.stop_all()
