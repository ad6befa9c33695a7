"""The objects that `klever deploy --dry-run` prints, on a real API server with the definitions of each data plane."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_asyncio.client import ApiClient

from klever_deployer.adapters.kubernetes.backend import ClusterBackend
from klever_deployer.domain.versions import ModelFacts, ModelSource, VersionSpec
from klever_deployer.settings import DeployerSettings
from kleverkube.images import runtime_of
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.failures import RefusedByClusterError
from kleverkubeclient.resources import resource_of
from kleverkubeclient.watched import object_name
from kleverproto.references import ModelRef
from kleverroutes.kubernetes.options import RouteKind
from kleverroutes.routing import Stage, route
from kleverroutes.versions import Deployment, deployments
from support.custom_definitions import GATEWAY_API, ISTIO, install, uninstall
from support.deployer import IRIS
from support.go_tools import module_directory
from support.previewed_servings import (
    EXTENSIONS,
    ROUTES,
    Json,
    answers,
    document,
    printed_objects,
    rich_spec,
    run_command,
)
from support.served_versions import DIGEST, REGISTRY
from support.stub_gateway import stub_gateway

pytestmark = pytest.mark.api_server

FILES = {
    "istio": ("istio.io/istio", "manifests/charts/base/files/crd-all.gen.yaml"),
    "gateway-api": ("sigs.k8s.io/gateway-api", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"),
}
OPTIONS: dict[RouteKind, tuple[str, ...]] = {"istio": (), "gateway-api": EXTENSIONS}
SETTINGS: dict[str, Any] = {
    "cluster_sticky_extension": "gateway.example.com/Session/sessions",
    "cluster_retries_extension": "gateway.example.com/Retry/retries",
}
"""Those of `EXTENSIONS`."""


def definition(stored: Json) -> Json:
    """The definition with the version v1 only, as it was published."""
    versions = [each | {"storage": True} for each in stored["spec"]["versions"] if each["name"] == "v1"]
    return {**stored, "spec": {**stored["spec"], "versions": versions}}


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[ApiClient]:
    async with connected(kubeconfig) as client:
        yield client


@pytest.fixture(params=list(FILES))
async def routes(request: pytest.FixtureRequest, client: ApiClient) -> AsyncIterator[RouteKind]:
    """A data plane, whose own definitions replace those of other tests, which accept every field."""
    lenient = ISTIO if request.param == "istio" else GATEWAY_API
    path, file = FILES[request.param]
    text = (module_directory(path, "istio") / file).read_text()
    stored = [each for each in yaml.safe_load_all(text) if each and each["spec"]["names"]["kind"] in ROUTES]
    await install(client, *lenient)
    await uninstall(client, *lenient)
    await install(client, *map(definition, stored))
    yield request.param
    await uninstall(client, *lenient)


async def printed(routes: RouteKind, home: Path) -> list[Json]:
    arguments = ("--dry-run", "--routes", routes, *OPTIONS[routes])
    with stub_gateway(answers(document(rich_spec()))) as url:
        return printed_objects(await asyncio.to_thread(run_command, url, home, "deploy", *arguments))


def version_spec(deployment: Deployment) -> VersionSpec:
    model = ModelSource(ModelRef.parse(deployment.variant.model), DIGEST, REGISTRY, ModelFacts("ONNX"))
    return VersionSpec(deployment.key(IRIS), deployment.variant, model, runtime_of(deployment.variant, "ONNX"))


def content(stored: Json) -> Json:
    """Everything of an object that is applied; its generation is that of its spec."""
    metadata = stored["metadata"]
    return {"labels": metadata["labels"], "generation": metadata.get("generation"), "spec": stored["spec"]}


async def read(api: KubernetesApi, applied: Json) -> Json:
    stored = await api.read(resource_of(applied), *object_name(applied))
    assert stored is not None, applied["metadata"]
    return content(stored)


async def test_printed_objects_are_those_that_the_deployer_applies(
    client: ApiClient, routes: RouteKind, kubeconfig: Path, tmp_path: Path
) -> None:
    settings = DeployerSettings(
        backend="plain", kubeconfig=kubeconfig, work_dir=tmp_path, cluster_routes=routes, **SETTINGS
    )
    wanted = deployments(rich_spec(), ())
    async with ClusterBackend(settings) as backend:
        for deployment in wanted:
            await backend.workloads.apply(version_spec(deployment), deployment.replicas)
        await backend.data_plane.apply(route(Stage(IRIS, rich_spec(), wanted)))
    api = KubernetesApi(client)
    for each in await printed(routes, tmp_path):
        present = await read(api, each)
        assert content(await api.apply(each)) == present


async def test_server_accepts_printed_objects_and_refuses_unknown_fields(
    client: ApiClient, routes: RouteKind, tmp_path: Path
) -> None:
    """`apply` validates strictly."""
    api, objects = KubernetesApi(client), await printed(routes, tmp_path)
    assert {each["kind"] for each in objects} >= {"NetworkPolicy", "Service", "Deployment"}
    for each in objects:
        await api.apply(each)
    for each in objects:
        if each["kind"] in ROUTES:
            with pytest.raises(RefusedByClusterError, match="weigth"):
                await api.apply({**each, "spec": {**each["spec"], "weigth": 1}})
