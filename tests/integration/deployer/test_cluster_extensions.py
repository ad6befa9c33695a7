"""Filters of a gateway that the operator names, on a real API server."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from klever_deployer.adapters.kubernetes.backend import ClusterBackend
from klever_deployer.domain.versions import VersionSpec
from klever_deployer.errors import RefusedByProxyError
from klever_deployer.settings import DeployerSettings
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.resources import HTTP_ROUTES
from kleverproto.traffic import Cookie, Retries, Sticky
from kleverroutes.routing import RoutedVersion, ServingRoute, Share
from support.custom_definitions import GATEWAY_API, install
from support.deployer import IRIS, version_spec

pytestmark = pytest.mark.api_server

STICKY = "gateway.example.com/Session/klever-sessions"
RETRIES = "gateway.example.com/Retry/klever-retries"


@pytest.fixture
async def api(kubeconfig: Path) -> AsyncIterator[KubernetesApi]:
    """API of a cluster with HTTPRoutes."""
    async with connected(kubeconfig) as client:
        await install(client, *GATEWAY_API)
        yield KubernetesApi(client)


def settings(kubeconfig: Path, directory: Path, **changes: Any) -> DeployerSettings:
    return DeployerSettings(
        backend="plain", kubeconfig=kubeconfig, work_dir=directory, cluster_routes="gateway-api", **changes
    )


def route(spec: VersionSpec, **changes: Any) -> ServingRoute:
    return ServingRoute(IRIS, (RoutedVersion(spec.key),), (Share(spec.key, 1),), **changes)


async def test_named_filters_are_part_of_the_routes(api: KubernetesApi, kubeconfig: Path, tmp_path: Path) -> None:
    spec = version_spec("v1")
    named = {"cluster_sticky_extension": STICKY, "cluster_retries_extension": RETRIES}
    async with ClusterBackend(settings(kubeconfig, tmp_path, **named)) as backend:
        await backend.workloads.apply(spec, 0)
        sticky = Sticky(cookie=Cookie(name="klever", ttl_seconds=60))
        await backend.data_plane.apply(route(spec, sticky=sticky, retries=Retries(attempts=1)))
        stored = await api.read(HTTP_ROUTES, "default", "iris")
        assert stored is not None
        filters = [each["extensionRef"] for each in stored["spec"]["rules"][0]["filters"] if "extensionRef" in each]
        assert ["/".join(each[part] for part in ("group", "kind", "name")) for each in filters] == [STICKY, RETRIES]
        await backend.data_plane.remove(IRIS)
        await backend.workloads.remove(spec.key)


async def test_without_named_filters_these_features_are_refused(
    api: KubernetesApi, kubeconfig: Path, tmp_path: Path
) -> None:
    assert await api.read(HTTP_ROUTES, "default", "iris") is None
    spec = version_spec("v1")
    async with ClusterBackend(settings(kubeconfig, tmp_path)) as backend:
        await backend.workloads.apply(spec, 0)
        with pytest.raises(RefusedByProxyError, match="let the operator name an extension"):
            await backend.data_plane.apply(route(spec, retries=Retries(attempts=1)))
        await backend.workloads.remove(spec.key)
