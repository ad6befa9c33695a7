"""Platforms that prepare models and run them, for the suite of everything that prepares models."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from kubernetes_asyncio.client import ApiClient

from klever_deployer.adapters.kubernetes.preparation import ClusterPreparation
from klever_deployer.adapters.kubernetes.workloads import ClusterWorkloads
from klever_deployer.adapters.local.preparation import LocalPreparation
from klever_deployer.adapters.local.shelf import Shelf
from klever_deployer.adapters.memory import InMemoryPreparation
from klever_deployer.domain.versions import VersionSpec
from klever_deployer.ports import Preparation
from kleverkubeclient.connecting import connected
from kleverroutes.versions import VersionKey
from kleversandbox.support import Confinement, Support
from support.deployer import InMemoryModels, InMemoryToolchains
from support.workload_benches import OnCluster


class PreparationBench:
    """A deployer that prepares models. By default it is not replaced, and no replicas run.

    Attributes:
        preparation: its preparation.
    """

    def __init__(self, preparation: Preparation) -> None:
        self.preparation = preparation

    async def hand_over(self) -> None:
        """Replace the present deployer by another one."""

    async def run(self, spec: VersionSpec) -> None:
        """Run a version whose model is prepared."""

    async def stop(self, version: VersionKey) -> None:
        """Stop a version."""


class OnThisMachine(PreparationBench):
    """A machine whose model store is kept."""

    def __init__(self) -> None:
        self._models = InMemoryModels()
        super().__init__(self._make())

    def _make(self) -> LocalPreparation:
        confinement = Confinement(Support(abi=7, has_filter=True))
        return LocalPreparation(Shelf(self._models), InMemoryToolchains(), confinement)

    async def hand_over(self) -> None:
        self.preparation = self._make()


class PreparingCluster(OnCluster):
    """A cluster whose workloads have the registries of the models from what was prepared, as in a deployer."""

    preparation: ClusterPreparation

    def _make(self) -> ClusterWorkloads:
        workloads = ClusterWorkloads(self.api, self.options, self._registry)
        self.preparation = ClusterPreparation(workloads.served)
        return workloads

    def _registry(self, digest: str) -> str | None:
        return self.preparation.registry(digest)


class OnApiServer(PreparationBench):
    """A real API server, whose objects describe the models."""

    def __init__(self, client: ApiClient) -> None:
        self.cluster = PreparingCluster(client)
        super().__init__(self.cluster.preparation)

    async def hand_over(self) -> None:
        await self.cluster.hand_over()
        self.preparation = self.cluster.preparation

    async def run(self, spec: VersionSpec) -> None:
        await self.cluster.workloads.apply(spec, 1)
        await self.cluster.until(spec, ready=1)

    async def stop(self, version: VersionKey) -> None:
        await self.cluster.workloads.remove(version)


@asynccontextmanager
async def on_api_server(kubeconfig: Path) -> AsyncIterator[PreparationBench]:
    """A deployer of the cluster of a kubeconfig."""
    async with connected(kubeconfig) as client:
        bench = OnApiServer(client)
        await bench.cluster.start()
        try:
            yield bench
        finally:
            await bench.cluster.stop()


PREPARATIONS: dict[str, Callable[[], PreparationBench]] = {
    "memory": lambda: PreparationBench(InMemoryPreparation()),
    "local": OnThisMachine,
    "unserved": lambda: PreparationBench(ClusterPreparation()),
}
