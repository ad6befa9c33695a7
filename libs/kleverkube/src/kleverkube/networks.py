"""The NetworkPolicy of a version: connections to and from its pods."""

import re
from ipaddress import ip_address

from kleverproto.variants import Network

from .labels import metadata, selector
from .manifest import Manifest
from .options import ClusterOptions
from .registries import PodRegistry, pod_registry
from .version import ServedVersion

DNS_PORTS = tuple({"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP"))
NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""Label that every namespace has."""
SERVICE_HOST = re.compile(r"^[-a-z0-9]+\.(?P<namespace>[-a-z0-9]+)\.svc(\.[-a-z0-9.]+)?$")
Rules = list[Manifest]


def network_policy(version: ServedVersion, options: ClusterOptions) -> Manifest | None:
    """Render the NetworkPolicy; None if neither connections from pods nor connections to pods are restricted.

    The kubelet can always connect, for probes. The cluster's network plug-in must enforce policies.
    """
    rules = {**_ingress(options), **_egress(version, options)}
    if not rules:
        return None
    types = [name.capitalize() for name in rules]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(version, options),
        "spec": {"podSelector": {"matchLabels": selector(version)}, "policyTypes": types, **rules},
    }


def _ingress(options: ClusterOptions) -> dict[str, Rules]:
    """No port is named: within a mesh, requests may arrive at the port of a proxy."""
    if not options.client_namespaces:
        return {}
    return {"ingress": [{"from": [_namespaces(dict(options.client_namespaces))]}]}


def _egress(version: ServedVersion, options: ClusterOptions) -> dict[str, Rules]:
    """A policy holds for whole pods, so the init container's way to the registry stays open."""
    if version.variant.network is not Network.NONE:
        return {}
    registry = pod_registry(version, options)
    return {"egress": _to_address(registry) or _to_service(registry) or _to_name(registry)}


def _to_address(registry: PodRegistry) -> Rules:
    """Return a rule for an IP address, which needs no name server; empty if the host is a name."""
    try:
        address = ip_address(registry.host)
    except ValueError:
        return []
    block = {"cidr": f"{address}/{address.max_prefixlen}"}
    return [{"to": [{"ipBlock": block}], "ports": [_port("TCP", registry.port)]}]


def _to_service(registry: PodRegistry) -> Rules:
    """Return rules for the namespace of a Service: policies apply to ports of pods, which are not known."""
    if (match := SERVICE_HOST.match(registry.host)) is None:
        return []
    return [{"ports": list(DNS_PORTS)}, {"to": [_namespaces({NAMESPACE_NAME: match["namespace"]})]}]


def _to_name(registry: PodRegistry) -> Rules:
    """Return a rule for every host, because policies cannot name hosts."""
    return [{"ports": [*DNS_PORTS, _port("TCP", registry.port)]}]


def _namespaces(labels: dict[str, str]) -> Manifest:
    return {"namespaceSelector": {"matchLabels": labels}}


def _port(protocol: str, number: int) -> Manifest:
    return {"protocol": protocol, "port": number}
