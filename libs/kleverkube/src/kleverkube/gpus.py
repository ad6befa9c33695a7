"""GPUs: claims of replicas and jobs, and their nodes."""

from kleverproto.variants import Gpu, Variant

from .errors import UnsupportedOnClusterError
from .manifest import Manifest
from .naming import is_label_value
from .options import NVIDIA_PRODUCT, ClusterOptions, GpuPool


def gpu_limits(variant: Variant, options: ClusterOptions) -> Manifest:
    """The limits of a replica; Kubernetes requests the same number. Empty without a GPU."""
    return limits(variant.resources.gpu, options, _subject(variant))


def gpu_placement(variant: Variant, options: ClusterOptions) -> Manifest:
    """The fields of a pod that select nodes with the GPU; empty without a GPU."""
    return placement(variant.resources.gpu, options, _subject(variant))


def gpu_pool(variant: Variant, options: ClusterOptions) -> GpuPool:
    """The nodes for a variant. Raises UnsupportedOnClusterError if no node can have the type."""
    return pool(variant.resources.gpu, options, _subject(variant))


def limits(gpu: Gpu | None, options: ClusterOptions, subject: str) -> Manifest:
    """The limits of a container that uses these GPUs. `subject` names it in errors."""
    return {pool(gpu, options, subject).resource: str(gpu.count)} if gpu is not None else {}


def placement(gpu: Gpu | None, options: ClusterOptions, subject: str) -> Manifest:
    """The fields of a pod that select nodes with these GPUs; empty without a GPU. `subject` names it in errors."""
    if gpu is None:
        return {}
    nodes = pool(gpu, options, subject)
    tolerations = [{"key": nodes.taint, "operator": "Exists", "effect": "NoSchedule"}] if nodes.taint else []
    return {"nodeSelector": dict(nodes.node_labels), "tolerations": tolerations}


def pool(gpu: Gpu | None, options: ClusterOptions, subject: str) -> GpuPool:
    """The nodes with these GPUs. Raises UnsupportedOnClusterError if no node can have the type."""
    if gpu is None or gpu.type is None:
        return GpuPool()
    if (configured := options.gpu_pools.get(gpu.type)) is not None:
        return configured
    if not is_label_value(gpu.type):
        known = ", ".join(sorted(options.gpu_pools)) or "none are configured"
        raise UnsupportedOnClusterError(
            f"{subject} requests the GPU type {gpu.type!r}, which no label of a node can have. Use "
            f"the label {NVIDIA_PRODUCT} of a node, or one of the configured types ({known})"
        )
    return GpuPool(node_labels={NVIDIA_PRODUCT: gpu.type})


def _subject(variant: Variant) -> str:
    return f"variant {variant.name}"
