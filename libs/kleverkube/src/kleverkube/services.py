"""The Service of a version, to which the data plane routes."""

from .labels import metadata, selector
from .manifest import Manifest
from .options import ClusterOptions
from .servers import server_of
from .version import ServedVersion

HTTP_SERVICE_PORT = 8080
GRPC_SERVICE_PORT = 8081
"""The same for all runtimes: `targetPort` names the port of the container."""
APP_PROTOCOLS = {"http": "http", "grpc": "kubernetes.io/h2c"}
"""Istio and implementations of the Gateway API read them."""


def service(version: ServedVersion, options: ClusterOptions) -> Manifest:
    """Render the Service: port `http`, and `grpc` if the server has one."""
    ports = [_port("http", HTTP_SERVICE_PORT)]
    if (grpc := grpc_service_port(version, options)) is not None:
        ports.append(_port("grpc", grpc))
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(version, options),
        "spec": {"type": "ClusterIP", "selector": selector(version), "ports": ports},
    }


def grpc_service_port(version: ServedVersion, options: ClusterOptions) -> int | None:
    """The port of the Service for gRPC; None if the server does not support it."""
    return GRPC_SERVICE_PORT if server_of(version, options).grpc_port else None


def _port(name: str, number: int) -> Manifest:
    return {"name": name, "port": number, "targetPort": name, "protocol": "TCP", "appProtocol": APP_PROTOCOLS[name]}
