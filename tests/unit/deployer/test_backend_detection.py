"""Seldon Core is used where it is installed; a scripted API server answers."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from klever_deployer.adapters.kubernetes.detection import detected_backend
from klever_deployer.adapters.kubernetes.seldon.workloads import SeldonWorkloads
from kleverkit.errors import TransientError
from kleverkube.options import ClusterOptions
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.failures import DeniedError
from support.scripted_api import scripted_api

DEPLOYMENTS, SELDON = "/apis/apps/v1/deployments", "/apis/machinelearning.seldon.io/v1/seldondeployments"
Answer = Callable[[], web.Response]


def listing(*names: str) -> Answer:
    items = [{"metadata": {"name": name, "namespace": "default"}} for name in names]
    return lambda: web.json_response({"metadata": {"resourceVersion": "1"}, "items": items})


def refused(status: int, message: str) -> Answer:
    return lambda: web.json_response({"message": message}, status=status)


MISSING = refused(404, "the server could not find the requested resource")


@asynccontextmanager
async def cluster(**answers: Answer) -> AsyncIterator[KubernetesApi]:
    async def answer(request: web.Request) -> web.Response:
        return answers["deployments" if request.path == DEPLOYMENTS else "seldon"]()

    async with scripted_api(answer, DEPLOYMENTS, SELDON) as client:
        yield KubernetesApi(client)


@pytest.mark.parametrize(
    ("deployments", "seldon", "backend"),
    [
        (listing(), MISSING, "plain"),
        (listing("iris"), MISSING, "plain"),
        (listing(), listing(), "seldon"),
        (listing(), listing("iris"), "seldon"),
        (listing("iris"), listing(), "plain"),
    ],
    ids=["not installed", "not installed, serving", "installed", "serving by Seldon Core", "serving without it"],
)
async def test_the_backend_is_that_of_the_servings_or_of_the_cluster(
    deployments: Answer, seldon: Answer, backend: str
) -> None:
    async with cluster(deployments=deployments, seldon=seldon) as api:
        assert await detected_backend(api, ClusterOptions()) == backend


async def test_a_backend_is_not_guessed() -> None:
    forbidden = refused(403, "seldondeployments is forbidden: User cannot list resource")
    async with cluster(deployments=listing(), seldon=forbidden) as api:
        with pytest.raises(DeniedError, match=r"Grant this to the service's account \(RBAC\)"):
            await detected_backend(api, ClusterOptions())
    async with cluster(deployments=listing(), seldon=refused(503, "etcd has no leader")) as api:
        with pytest.raises(TransientError, match="etcd has no leader"):
            await detected_backend(api, ClusterOptions())


async def test_a_cluster_without_seldon_core_is_a_problem_with_a_remedy() -> None:
    async with cluster(deployments=listing(), seldon=MISSING) as api:
        workloads = SeldonWorkloads(api, ClusterOptions(), lambda _digest: None)
        with pytest.raises(TransientError, match=r"install Seldon Core 1\.17, or set KLEVER_DEPLOYER_BACKEND=plain"):
            await workloads.load()
