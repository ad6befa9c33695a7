"""Registries of models as pods reach them."""

from dataclasses import dataclass

from .options import ClusterOptions
from .version import ServedVersion

HTTP_PORT, HTTPS_PORT = 80, 443
SCHEME = "://"
REGISTRY_PATTERN = r"^(https?://)?[^/\s]+$"
"""Pattern of the address by which pods reach a registry."""


@dataclass(frozen=True)
class PodRegistry:
    """A registry as pods reach it."""

    address: str
    """host, or host:port."""
    plain_http: bool

    @property
    def host(self) -> str:
        """The host name or IP address, without brackets."""
        host, colon, port = self.address.rpartition(":")
        return (host if colon and port.isdigit() else self.address).strip("[]")

    @property
    def port(self) -> int:
        """The port to which pods connect."""
        _, colon, port = self.address.rpartition(":")
        if colon and port.isdigit():
            return int(port)
        return HTTP_PORT if self.plain_http else HTTPS_PORT


def pod_registry(version: ServedVersion, options: ClusterOptions) -> PodRegistry:
    """The registry of a version's model."""
    return registry_of_pods(version.registry, options)


def registry_of_pods(registry: str, options: ClusterOptions) -> PodRegistry:
    """A registry, as `host:port` in documents."""
    scheme, separator, address = options.registries.get(registry, registry).rpartition(SCHEME)
    return PodRegistry(address, plain_http=scheme == "http" if separator else options.plain_http)


def pod_reference(version: ServedVersion, options: ClusterOptions) -> str:
    """The model of a version, as pods pull it."""
    return f"{pod_registry(version, options).address}/{version.artifact}"
