"""The whole backend on a real API server; nodes and proxies are played."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kubernetes_asyncio.client import ApiClient

from klever_deployer.adapters.kubernetes.backend import ClusterBackend
from klever_deployer.adapters.kubernetes.seldon.workloads import SeldonWorkloads
from klever_deployer.domain.versions import ModelFacts, VersionSpec, VersionState
from klever_deployer.errors import DataPlaneError
from klever_deployer.settings import DeployerSettings
from kleverkubeclient.connecting import connected
from kleverkubeclient.failures import ApiUnavailableError
from kleverroutes.routing import RoutedVersion, ServingRoute, Share
from support.custom_definitions import ISTIO, install, seldon
from support.deployer import IRIS, version_spec
from support.kserve import MODE
from support.loops import running_loops
from support.played_kubelet import PlayedKubelet
from support.seldon_operator import SeldonOperator
from support.waiting import eventually

pytestmark = pytest.mark.api_server


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[ApiClient]:
    """Client of a cluster with the kinds of objects of Istio and Seldon Core."""
    async with connected(kubeconfig) as client:
        await install(client, *ISTIO, seldon())
        yield client


@pytest.fixture(params=["plain", "seldon", "kserve"])
def settings(request: pytest.FixtureRequest, kubeconfig: Path, tmp_path: Path) -> DeployerSettings:
    if request.param == "kserve":
        request.getfixturevalue("kserve")
    return DeployerSettings(backend=request.param, kubeconfig=kubeconfig, work_dir=tmp_path, cluster_kserve_mode=MODE)


@asynccontextmanager
async def running(backend: ClusterBackend, client: ApiClient) -> AsyncIterator[None]:
    async with backend:
        operator, kubelet = SeldonOperator(client), PlayedKubelet(client, "broken")
        async with running_loops(backend.run, kubelet.run, operator.run, idle=(operator.idle, kubelet.idle)):
            yield


async def ignore(_step: str) -> None:
    return


async def until_ready(backend: ClusterBackend, spec: VersionSpec) -> VersionState:
    async def ready() -> VersionState | None:
        return next((each for each in backend.workloads.states(IRIS) if each.key == spec.key and each.ready), None)

    state = await eventually(ready, within=30)
    assert state is not None
    return state


def route(spec: VersionSpec) -> ServingRoute:
    return ServingRoute(IRIS, (RoutedVersion(spec.key),), (Share(spec.key, 1),))


async def test_a_version_is_served_adopted_and_removed(settings: DeployerSettings, client: ApiClient) -> None:
    backend, spec = ClusterBackend(settings), version_spec("v1")
    async with running(backend, client):
        await backend.models.prepare(spec, ignore)
        await backend.workloads.apply(spec, 1)
        await until_ready(backend, spec)
        await backend.data_plane.apply(route(spec))
        assert (backend.data_plane.served(), await backend.problem()) == ({IRIS}, None)
    successor = ClusterBackend(settings)
    async with running(successor, client):
        state = await until_ready(successor, spec)
        assert (state.runtime, successor.data_plane.served()) == ("kleverserve", {IRIS})
        assert await successor.models.find(spec.model.digest) == ModelFacts("ONNX")
        await successor.data_plane.remove(IRIS)
        await successor.workloads.remove(spec.key)
    assert (successor.data_plane.served(), successor.workloads.states()) == (set(), [])


async def test_a_route_waits_for_its_versions(settings: DeployerSettings, client: ApiClient) -> None:
    backend = ClusterBackend(settings)
    async with running(backend, client):
        with pytest.raises(DataPlaneError, match="is not on the cluster yet"):
            await backend.data_plane.apply(route(version_spec("v1")))


async def test_a_backend_can_be_entered_again(settings: DeployerSettings, client: ApiClient) -> None:
    backend, spec = ClusterBackend(settings), version_spec("v1")
    async with running(backend, client):
        await backend.models.prepare(spec, ignore)
        await backend.workloads.apply(spec, 1)
        await until_ready(backend, spec)
    async with running(backend, client):
        await until_ready(backend, spec)
        await backend.workloads.remove(spec.key)


async def test_a_platform_stays_with_the_backend_that_serves(
    settings: DeployerSettings, client: ApiClient, tmp_path: Path
) -> None:
    """Seldon Core is installed here, and is used by a platform without Deployments of its own."""
    backend, spec = ClusterBackend(settings), version_spec("v1")
    detecting = ClusterBackend(settings.model_copy(update={"backend": "cluster", "work_dir": tmp_path / "other"}))
    async with running(detecting, client):
        assert isinstance(detecting.workloads, SeldonWorkloads)
    async with running(backend, client):
        await backend.models.prepare(spec, ignore)
        await backend.workloads.apply(spec, 1)
        await until_ready(backend, spec)
        async with detecting:
            assert [state.key for state in detecting.workloads.states()] == [spec.key]
        await backend.workloads.remove(spec.key)


async def test_a_deployer_without_a_cluster_says_so(tmp_path: Path) -> None:
    missing = DeployerSettings(backend="plain", kubeconfig=tmp_path / "missing", work_dir=tmp_path)
    with pytest.raises(ApiUnavailableError, match=r"no credentials for a cluster.*Set KUBECONFIG"):
        await ClusterBackend(missing).__aenter__()
