"""Runtimes of model servers, for the contract suite of all of them."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from kubernetes_asyncio.client import ApiClient

from klever_deployer.adapters.kubernetes.kinds import PLAIN, VersionKind
from klever_deployer.adapters.kubernetes.kserve import KSERVE
from klever_deployer.adapters.kubernetes.refusals import RefusedServingError
from klever_deployer.adapters.kubernetes.seldon.workloads import SeldonWorkloads
from klever_deployer.adapters.kubernetes.states import version_key
from klever_deployer.adapters.kubernetes.workloads import ClusterWorkloads
from klever_deployer.adapters.local.workloads import LocalWorkloads
from klever_deployer.adapters.memory import InMemoryWorkloads
from klever_deployer.domain.versions import VersionSpec, VersionState
from klever_deployer.ports import Workloads
from kleverkube.labels import MANAGER
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.failures import RefusedByClusterError
from kleverproto.variants import Custom, Gpu, Resources
from support.custom_definitions import install, seldon
from support.kserve import MODE
from support.local_workloads import launching_in, make_workloads
from support.played_kubelet import PlayedKubelet
from support.seldon_operator import SeldonOperator
from support.waiting import eventually

BROKEN = "broken"
"""The tag of a model that no server loads."""


class WorkloadsBench(ABC):
    """A runtime of model servers."""

    workloads: Workloads
    unsupported: tuple[dict[str, Any], str] = ({"resources": Resources(gpu=Gpu())}, "GPU")
    """Settings of a variant that cannot run there, and a word of the reason."""

    @abstractmethod
    async def hand_over(self) -> None:
        """Replace the present deployer by another one."""

    @abstractmethod
    async def kill(self, spec: VersionSpec) -> None:
        """Kill the only replica of a version."""

    def state(self, spec: VersionSpec) -> VersionState | None:
        """The state of a version, or None if there is none."""
        return next((state for state in self.workloads.states() if state.key == spec.key), None)

    async def until(self, spec: VersionSpec, *, ready: int, restarts: int = 0) -> VersionState:
        """Return the state of a version once this many replicas are ready and wanted."""

        async def state() -> VersionState | None:
            present = self.state(spec)
            wanted = (ready, ready, restarts)
            return present if present and (present.desired, present.ready, present.restarts) == wanted else None

        present = await eventually(state, within=30)
        assert present is not None
        return present

    async def until_problem(self, spec: VersionSpec) -> VersionState:
        """Return the state of a version once a replica fails to start."""

        async def state() -> VersionState | None:
            present = self.state(spec)
            return present if present is not None and present.problem else None

        present = await eventually(state, within=30)
        assert present is not None
        return present


class InMemory(WorkloadsBench):
    """A runtime in memory."""

    def __init__(self) -> None:
        self.workloads: InMemoryWorkloads = InMemoryWorkloads({BROKEN: "no model at all"})

    async def hand_over(self) -> None:
        """The in-memory state is kept."""

    async def kill(self, spec: VersionSpec) -> None:
        state = self.state(spec)
        assert state is not None
        self.workloads.become(replace(state, ready=0))
        self.workloads.become(replace(state, restarts=state.restarts + 1))


class OnThisMachine(WorkloadsBench):
    """A runtime of local processes."""

    def __init__(self, directory: Path, models: Path) -> None:
        self._directory = directory
        self._models = models
        self.workloads: LocalWorkloads = self._make()

    def _make(self) -> LocalWorkloads:
        launching = launching_in(self._directory)
        return make_workloads(self._directory / "workloads", launching, lambda spec: self._models / spec.tag)

    async def hand_over(self) -> None:
        await self.workloads.abandon()
        self.workloads = self._make()

    async def kill(self, spec: VersionSpec) -> None:
        [process] = [
            process
            for process in psutil.Process().children()
            if process.status() != psutil.STATUS_ZOMBIE and f"/{spec.tag}" in " ".join(process.cmdline())
        ]
        process.kill()


class RecordingApi(KubernetesApi):
    """Records the kinds of the objects that are applied."""

    def __init__(self, client: ApiClient, *, refused: type[RefusedByClusterError]) -> None:
        super().__init__(client, refused=refused)
        self.applied: list[str] = []

    async def apply(
        self, manifest: Manifest, *, manager: str = MANAGER, force: bool = True, subresource: str = ""
    ) -> Manifest:
        self.applied.append(manifest["kind"])
        return await super().apply(manifest, manager=manager, force=force, subresource=subresource)


class OnCluster(WorkloadsBench):
    """A real API server with the controllers of Deployments; the nodes are played."""

    unsupported = ({"custom": Custom(command=("serve",))}, "image")

    def __init__(self, client: ApiClient, kind: VersionKind = PLAIN) -> None:
        self.client = client
        self._kind = kind
        self.options = ClusterOptions(kserve_mode=MODE)
        self.api = RecordingApi(client, refused=RefusedServingError)
        self.kubelet = PlayedKubelet(client, BROKEN)
        self.workloads: ClusterWorkloads | SeldonWorkloads = self._make()
        self._tasks: list[asyncio.Task[None]] = []

    def _make(self) -> ClusterWorkloads | SeldonWorkloads:
        return ClusterWorkloads(self.api, self.options, lambda _digest: "registry.example.com", kind=self._kind)

    async def start(self) -> None:
        """Read the objects of the cluster, and follow them."""
        await self.workloads.load()
        loops = (*(each.run for each in self.workloads.watched), self.kubelet.run, *self._operators())
        self._tasks = [asyncio.create_task(loop()) for loop in loops]

    def _operators(self) -> Iterable[Callable[[], Coroutine[Any, Any, None]]]:
        return ()

    async def stop(self) -> None:
        """Follow the cluster no longer."""
        async with self.kubelet.idle:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def hand_over(self) -> None:
        await self.stop()
        self.workloads = self._make()
        await self.start()

    async def kill(self, spec: VersionSpec) -> None:
        [(namespace, name)] = [
            name for name, pod in self.workloads.pods.objects.items() if version_key(pod) == spec.key
        ]
        await self.kubelet.restart(name, namespace)


class OnSeldon(OnCluster):
    """A real API server, and a stand-in for Seldon Core's operator."""

    def __init__(self, client: ApiClient) -> None:
        super().__init__(client)
        self.operator = SeldonOperator(client)

    def _make(self) -> SeldonWorkloads:
        return SeldonWorkloads(self.api, self.options, lambda _digest: "registry.example.com")

    def _operators(self) -> Iterable[Callable[[], Coroutine[Any, Any, None]]]:
        return (self.operator.run,)

    async def stop(self) -> None:
        async with self.operator.idle:
            await super().stop()


Kubeconfig = Callable[[], Path]


@asynccontextmanager
async def in_memory(_directory: Path, _models: Path, _kubeconfig: Kubeconfig) -> AsyncIterator[WorkloadsBench]:
    yield InMemory()


@asynccontextmanager
async def on_this_machine(directory: Path, models: Path, _kubeconfig: Kubeconfig) -> AsyncIterator[WorkloadsBench]:
    bench = OnThisMachine(directory, models)
    yield bench
    await bench.workloads.replicas.stop_all()


@asynccontextmanager
async def on_cluster(
    _directory: Path, _models: Path, kubeconfig: Kubeconfig, kind: VersionKind = PLAIN
) -> AsyncIterator[OnCluster]:
    async with connected(kubeconfig()) as client:
        bench = OnCluster(client, kind)
        await bench.start()
        try:
            yield bench
        finally:
            await bench.stop()


@asynccontextmanager
async def on_seldon(_directory: Path, _models: Path, kubeconfig: Kubeconfig) -> AsyncIterator[OnSeldon]:
    async with connected(kubeconfig()) as client:
        await install(client, seldon())
        bench = OnSeldon(client)
        await bench.start()
        try:
            yield bench
            assert bench.operator.denied == []
        finally:
            await bench.stop()


WORKLOADS: dict[str, Callable[[Path, Path, Kubeconfig], AbstractAsyncContextManager[WorkloadsBench]]] = {
    "memory": in_memory,
    "local": on_this_machine,
    "kubernetes": on_cluster,
    "seldon": on_seldon,
    "kserve": partial(on_cluster, kind=KSERVE),
}
CLUSTERS = {"kserve": "kserve"}
"""Adapter to the fixture that its cluster needs besides the API server."""
