"""Registries of models as pods reach them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address

from .options import ClusterOptions
from .version import ServedVersion

HTTP_PORT, HTTPS_PORT = 80, 443
LOCALHOST = "localhost"
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

    @property
    def is_loopback(self) -> bool:
        """True if the address is one of the pod itself, so that it is not that of a registry."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == LOCALHOST or self.host.endswith(f".{LOCALHOST}")


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


def loopback_registries(versions: Iterable[ServedVersion], options: ClusterOptions) -> list[str]:
    """The registries of versions, as in their documents, that pods would look for on their own loopback address."""
    names = dict.fromkeys(version.registry for version in versions)
    return [name for name in names if registry_of_pods(name, options).is_loopback]


def with_pod_registry(versions: Iterable[ServedVersion], options: ClusterOptions, address: str) -> ClusterOptions:
    """Return options by which pods reach registries on a loopback address at another address, by http."""
    reached = dict.fromkeys(loopback_registries(versions, options), f"http{SCHEME}{address}")
    return replace(options, registries={**options.registries, **reached})
