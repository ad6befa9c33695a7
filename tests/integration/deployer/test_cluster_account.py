"""The deployer's account has the permissions that it needs and no others, and a missing one is named."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from kubernetes_asyncio.client import ApiClient

from klever_deployer.adapters.kubernetes.backend import ClusterBackend
from klever_deployer.domain.versions import VersionSpec
from klever_deployer.settings import DeployerSettings
from kleverkit.errors import TransientError
from kleverkubeclient.connecting import connected
from kleverkubeclient.failures import DeniedError
from kleverproto.documents import Tombstone
from kleverproto.servings import ServingDocument
from kleverproto.variants import Autoscaling, Network, Resources
from kleverroutes.routing import RoutedVersion, ServingRoute, Share
from support.cluster_account import DEPLOYER, Account, Permission, grant
from support.custom_definitions import GATEWAY_API, ISTIO, install, seldon
from support.deployer import IRIS, version_spec
from support.golden_events import NOW
from support.kserve import MODE
from support.loops import running_loops
from support.played_kubelet import PlayedKubelet
from support.seldon_operator import SeldonOperator
from support.waiting import eventually

pytestmark = pytest.mark.api_server

PLACES = (("plain", "istio"), ("plain", "gateway-api"), ("kserve", "istio"), ("seldon", "istio"))
"""Backends and routes."""
GRAVE = Tombstone[ServingDocument](deleted_at=NOW, announced=True)


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[ApiClient]:
    """The administrator's, of a cluster with all kinds of routes."""
    async with connected(kubeconfig) as client:
        await install(client, *ISTIO, *GATEWAY_API, seldon())
        yield client


@pytest.fixture
def account(kubeconfig: Path) -> Iterator[Account]:
    account = grant(kubeconfig, DEPLOYER)
    yield account
    account.restore()


@asynccontextmanager
async def running(
    account: Account, home: Path, client: ApiClient, routes: str, backend_name: str = "plain"
) -> AsyncIterator[ClusterBackend]:
    places = {"kubeconfig": account.kubeconfig, "work_dir": home, "cluster_kserve_mode": MODE}
    settings = DeployerSettings.model_validate({"backend": backend_name, "cluster_routes": routes, **places})
    async with ClusterBackend(settings) as backend:
        operator, kubelet = SeldonOperator(client), PlayedKubelet(client, "broken")
        async with running_loops(backend.run, kubelet.run, operator.run, idle=(operator.idle, kubelet.idle)):
            yield backend


async def ignore(_step: str) -> None:
    return


def complete_spec() -> VersionSpec:
    """A version with every kind of object."""
    spec = version_spec("v1", network=Network.NONE)
    changes = {"autoscaling": Autoscaling(min_replicas=1, max_replicas=2), "resources": Resources(cpu="100m")}
    return replace(spec, variant=spec.variant.model_copy(update=changes))


async def serve_and_remove(backend: ClusterBackend, spec: VersionSpec) -> None:
    await backend.models.prepare(spec, ignore)
    await backend.workloads.apply(spec, 1)
    await eventually(lambda: _is_ready(backend, spec), within=60)
    await backend.data_plane.apply(ServingRoute(IRIS, (RoutedVersion(spec.key),), (Share(spec.key, 1),)))
    await backend.copies.write(IRIS, GRAVE)
    assert await backend.copies.read() == {IRIS: GRAVE}
    await backend.copies.remove(IRIS)
    memory = backend.memory("servings")
    await memory.write(b"state")
    assert await memory.read() == b"state"
    await backend.data_plane.remove(IRIS)
    await backend.workloads.remove(spec.key)


async def _has_used_logs(account: Account) -> bool:
    return Permission("", "pods/log", "get") in account.used()


async def _is_ready(backend: ClusterBackend, spec: VersionSpec) -> bool:
    return any(each.key == spec.key and each.ready for each in backend.workloads.states())


@pytest.mark.usefixtures("kserve")
async def test_the_account_has_the_permissions_that_are_used_and_no_others(
    account: Account, tmp_path: Path, client: ApiClient
) -> None:
    for backend_name, routes in PLACES:
        async with running(account, tmp_path / routes, client, routes, backend_name) as backend:
            await serve_and_remove(backend, complete_spec())
            assert await backend.problem() is None

    await eventually(lambda: _has_used_logs(account), within=30)
    assert account.used() == account.granted()


@pytest.mark.parametrize(
    "permission",
    [Permission("apps", "deployments", verb) for verb in ("create", "patch")],
    ids=lambda each: each.verb,
)
async def test_a_missing_permission_is_named_until_it_is_granted(
    account: Account, tmp_path: Path, client: ApiClient, permission: Permission
) -> None:
    spec = version_spec("v1")
    async with running(account, tmp_path, client, "istio") as backend:
        await backend.models.prepare(spec, ignore)
        account.without(permission)
        await eventually(lambda: _is_denied(backend, spec), within=30)
        problem = await backend.problem() or ""
        assert f'cannot {permission.verb} resource "deployments"' in problem
        assert "Grant this to the service's account (RBAC)" in problem
        account.restore()
        await eventually(lambda: _is_applied(backend, spec), within=30)
        assert await backend.problem() is None
        await backend.workloads.remove(spec.key)


async def _is_denied(backend: ClusterBackend, spec: VersionSpec) -> bool:
    try:
        await backend.workloads.apply(spec, 1)
    except DeniedError:
        return True
    await backend.workloads.remove(spec.key)
    return False


async def _is_applied(backend: ClusterBackend, spec: VersionSpec) -> bool:
    try:
        await backend.workloads.apply(spec, 1)
    except TransientError:
        return False
    return True


async def test_an_account_that_may_not_list_pods_reports_it(
    account: Account, tmp_path: Path, client: ApiClient
) -> None:
    account.without(Permission("", "pods", "list"))

    async def is_denied() -> bool:
        try:
            async with running(account, tmp_path, client, "istio"):
                return False
        except DeniedError as error:
            return 'cannot list resource "pods"' in str(error)

    await eventually(is_denied, within=30)


async def test_a_watch_that_is_denied_is_the_problem_of_the_backend(
    account: Account, tmp_path: Path, client: ApiClient
) -> None:
    account.without(Permission("", "pods", "watch"))
    async with running(account, tmp_path, client, "istio") as backend:

        async def is_reported() -> bool:
            return 'cannot watch resource "pods"' in (await backend.problem() or "")

        await eventually(is_reported, within=30)
