"""A gateway of Istio on the loopback address: istiod reads its configuration from files, and configures a plain Envoy.

No cluster is needed. istiod insists on an API server, which has nothing here; Services are ServiceEntries.
"""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from kleverroutes.kubernetes.istio import istio_objects
from kleverroutes.kubernetes.probes import with_probe
from kleverroutes.kubernetes.services import VersionService
from kleverroutes.kubernetes.virtual_services import IstioIngress
from kleverroutes.routing import ServingRoute
from support.cluster.programs import build_istio
from support.data_plane_benches import HttpClient
from support.data_planes import version_key
from support.istio_proxy import (
    GATEWAY_LABELS,
    LOOPBACK,
    NAMESPACE,
    PLAIN_ENVOY,
    envoy_bootstrap,
    envoy_command,
    mesh,
)
from support.kubernetes_routes import GRPC_PORT, HTTP_PORT, ServicesOf
from support.processes import ServerProcess, answers, free_port
from support.waiting import eventually

Json = dict[str, Any]
INGRESS = IstioIngress((f"{NAMESPACE}/klever-gateway",))
ISTIOD_ENVIRONMENT = {
    "POD_NAMESPACE": NAMESPACE,
    "POD_NAME": "istiod",
    "CLUSTER_ID": "Kubernetes",
    "ENABLE_CA_SERVER": "false",
    "INJECT_ENABLED": "false",
    "PILOT_ENABLE_GATEWAY_API": "false",
    "KUBE_FEATURE_WatchListClient": "false",  # the API server that has nothing only knows plain lists
    **PLAIN_ENVOY,
}


@dataclass
class IstioGateway:
    """The gateway, and the objects that istiod has."""

    directory: Path
    port: int
    discovery_port: int
    ready_port: int
    admin_port: int
    client: HttpClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = HttpClient(self.port)
        self.configuration.mkdir(parents=True)
        gateway = {"port": {"number": self.port, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
        self.write(
            "gateway", [_object("Gateway", "klever-gateway", NAMESPACE, selector=GATEWAY_LABELS, servers=[gateway])]
        )

    @property
    def configuration(self) -> Path:
        return self.directory / "configuration"

    def write(self, name: str, objects: list[Json]) -> None:
        """Give istiod a file, or replace it."""
        new = self.directory / f"{name}.new"
        new.write_text(yaml.safe_dump_all(objects))
        new.rename(self.configuration / f"{name}.yaml")

    def serve(self, ports: Mapping[str, tuple[int, ...]]) -> None:
        """Let the Services of variants have replicas at these ports, for HTTP and for gRPC."""
        services = {ServicesOf(grpc=(variant,))(version_key(variant)): replicas for variant, replicas in ports.items()}
        self.place(services)

    def place(self, replicas: Mapping[VersionService, tuple[int, ...]]) -> None:
        """Let Services have replicas at these ports, for HTTP and for gRPC."""
        self.write("services", [_service_entry(service, ports) for service, ports in replicas.items()])

    async def place_known(self, replicas: Mapping[VersionService, tuple[int, ...]]) -> None:
        """Place Services and wait until Envoy has them: on a cluster, they are older than the first ready pod."""
        self.place(replicas)
        url = f"http://{LOOPBACK}:{self.admin_port}/clusters"

        async def are_known() -> bool:
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                active = await response.text()
            return all(f"||{service.host(INGRESS.domain)}::" in active for service in replicas)

        await eventually(are_known, within=30)

    def apply(self, route: ServingRoute, services: ServicesOf | None = None) -> list[Json]:
        """Routes requests with the objects that the deployer applies; they take effect soon."""
        objects = with_probe(istio_objects(route, INGRESS, services or ServicesOf()), route.serving)
        self.write("routes", objects)
        return objects

    async def accepted(self) -> set[tuple[str, str, str]]:
        """Kind, namespace and name of the objects that istiod has read and that are valid."""
        url = f"http://{LOOPBACK}:{self.ready_port}/debug/configz"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            configs = json.loads(await response.text())
        return {(each["kind"], each["metadata"]["namespace"], each["metadata"]["name"]) for each in configs}


def istiod_program() -> Path:
    """istiod, which is built if necessary. Skips where there is no Go."""
    if shutil.which("go") is None:
        pytest.skip("Go is not installed here, so istiod cannot be built")
    return build_istio()


@asynccontextmanager
async def running_gateway(istiod: Path, directory: Path) -> AsyncIterator[IstioGateway]:
    """Starts istiod and Envoy.

    Args:
        istiod: the program.
        directory: directory for files and logs.
    """
    gateway = IstioGateway(directory, free_port(), free_port(), free_port(), free_port())
    async with _empty_api_server() as url:
        with _istiod(istiod, gateway, url) as istiod_process, _envoy(gateway) as envoy_process:
            await asyncio.to_thread(istiod_process.start, within=60)
            await asyncio.to_thread(envoy_process.start, within=60)
            yield gateway


class _Process(ServerProcess):
    """Started within its context, beside the event loop that serves it."""

    def __enter__(self) -> Self:
        return self


def _istiod(program: Path, gateway: IstioGateway, api_server: str) -> _Process:
    files = {"mesh": mesh(gateway.discovery_port), "kubeconfig": _kubeconfig(api_server)}
    for name, content in files.items():
        (gateway.directory / name).write_text(json.dumps(content))
    command = [
        *(str(program), "discovery", f"--configDir={gateway.configuration}", "--registries=Kubernetes"),
        *(f"--kubeconfig={gateway.directory / 'kubeconfig'}", f"--meshConfig={gateway.directory / 'mesh'}"),
        *(f"--httpAddr={LOOPBACK}:{gateway.ready_port}", f"--grpcAddr={LOOPBACK}:{gateway.discovery_port}"),
        *("--secureGRPCAddr=", "--httpsAddr=", f"--monitoringAddr={LOOPBACK}:{free_port()}"),
    ]
    return _Process(
        command,
        gateway.directory / "istiod.log",
        lambda: answers(gateway.discovery_port),
        os.environ | ISTIOD_ENVIRONMENT,
    )


def _envoy(gateway: IstioGateway) -> _Process:
    content = envoy_bootstrap(
        address=LOOPBACK,
        domain=INGRESS.domain,
        discovery_port=gateway.discovery_port,
        admin_port=gateway.admin_port,
    )
    bootstrap = gateway.directory / "envoy.json"
    bootstrap.write_text(json.dumps(content))
    return _Process(envoy_command(bootstrap), gateway.directory / "envoy.log", lambda: answers(gateway.port))


def _service_entry(service: VersionService, replicas: tuple[int, ...]) -> Json:
    ports = {"http": HTTP_PORT, "grpc": GRPC_PORT}
    return _object(
        "ServiceEntry",
        service.name,
        service.namespace,
        hosts=[service.host(INGRESS.domain)],
        location="MESH_INTERNAL",
        resolution="STATIC",
        ports=[{"number": number, "name": name, "protocol": "HTTP"} for name, number in ports.items()],
        endpoints=[{"address": LOOPBACK, "ports": dict.fromkeys(ports, replica)} for replica in replicas],
    )


def _object(kind: str, name: str, namespace: str, **spec: Any) -> Json:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _kubeconfig(url: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "empty", "cluster": {"server": url}}],
        "users": [{"name": "empty", "user": {}}],
        "contexts": [{"name": "empty", "context": {"cluster": "empty", "user": "empty"}}],
        "current-context": "empty",
    }


@asynccontextmanager
async def _empty_api_server() -> AsyncIterator[str]:
    """An API server of Kubernetes without any object; its URL."""
    closing = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") != "true":
            return web.json_response({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": []})
        response = web.StreamResponse(headers={"content-type": "application/json"})
        await response.prepare(request)
        await closing.wait()
        return response

    async def version(_request: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": "34", "gitVersion": "v1.34.4"})

    application = web.Application()
    application.router.add_get("/version", version)
    application.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(application, host=LOOPBACK) as server:
        try:
            yield str(server.make_url("")).rstrip("/")
        finally:
            closing.set()
