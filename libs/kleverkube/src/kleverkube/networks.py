"""The NetworkPolicy of a version without network access."""

from kleverproto.variants import Network

from .labels import metadata, selector
from .manifest import Manifest
from .options import ClusterOptions
from .registries import pod_registry
from .version import ServedVersion

DNS_PORTS = tuple({"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP"))


def network_policy(version: ServedVersion, options: ClusterOptions) -> Manifest | None:
    """Render the NetworkPolicy; None for a version with network access.

    A policy holds for whole pods, and the init container fetches the model: name servers and the port of the registry
    stay reachable. The cluster's network plug-in must enforce policies.
    """
    if version.variant.network is not Network.NONE:
        return None
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(version, options),
        "spec": {
            "podSelector": {"matchLabels": selector(version)},
            "policyTypes": ["Egress"],
            "egress": [{"ports": [*DNS_PORTS, {"protocol": "TCP", "port": pod_registry(version, options).port}]}],
        },
    }
