"""Options of the operator for the objects of a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

MAX_REQUEST_BYTES = 64 * 1024 * 1024
KServeMode = Literal["Standard", "RawDeployment"]
NVIDIA = "nvidia.com/gpu"
NVIDIA_PRODUCT = "nvidia.com/gpu.product"
"""Label of nodes, set by NVIDIA's feature discovery: the GPU's product name."""


@dataclass(frozen=True)
class GpuPool:
    """Nodes with one type of GPU."""

    resource: str = NVIDIA
    """The extended resource that a replica claims."""
    node_labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the nodes."""
    taint: str | None = NVIDIA
    """Key of the taint that keeps other pods away; None if there is none."""


@dataclass(frozen=True)
class ClusterOptions:
    """Settings that all servings of a platform share."""

    platform: str = "klever"
    """Name of the platform, a label of its objects: several platforms can share a cluster."""
    images: Mapping[str, str] = field(default_factory=dict)
    """Image repository, without a tag, to the image that replaces it, with its tag or digest."""
    pull_secrets: tuple[str, ...] = ()
    """Secrets of the namespace with which the kubelet pulls images."""
    registry_secret: str = "klever-registry"  # noqa: S105 - the name of a Secret
    """Secret of the namespace with `username` and `password` for the registry of the models. It may be absent."""
    plain_http: bool = False
    """True if registries of models speak http, unless `registries` names a scheme."""
    registries: Mapping[str, str] = field(default_factory=dict)
    """Registry of models to the address by which pods reach it: `host:port`, also with `http://` or `https://`."""
    ready_seconds: float = 120.0
    """Time within which a model server must be ready after its start."""
    grace_seconds: float = 10.0
    """Time for requests in flight when a replica stops."""
    drain_seconds: int = 5
    """Time that proxies need to learn that a replica is stopping."""
    max_request_bytes: int = MAX_REQUEST_BYTES
    """Largest body of an inference request."""
    client_namespaces: Mapping[str, str] = field(default_factory=dict)
    """Labels of the namespaces whose pods may connect to model servers, such as the gateway's; all if empty."""
    autoscalers: bool = True
    """True if HorizontalPodAutoscalers scale versions with autoscaling, by CPU; else the deployer, by requests."""
    kserve_mode: KServeMode = "Standard"
    """KServe's mode without Knative: `RawDeployment` before KServe 0.16."""
    gpu_pools: Mapping[str, GpuPool] = field(default_factory=dict)
    """GPU type to its nodes. A type that is absent is the product name of an NVIDIA GPU."""
