"""GPUs: what a replica claims, and on which nodes."""

from kleverproto.variants import Variant

from .errors import UnsupportedOnClusterError
from .manifest import Manifest
from .naming import is_label_value
from .options import NVIDIA_PRODUCT, ClusterOptions, GpuPool


def gpu_limits(variant: Variant, options: ClusterOptions) -> Manifest:
    """The limits of a replica; Kubernetes requests the same number. Empty without a GPU."""
    gpu = variant.resources.gpu
    return {gpu_pool(variant, options).resource: str(gpu.count)} if gpu is not None else {}


def gpu_placement(variant: Variant, options: ClusterOptions) -> Manifest:
    """The fields of a pod that select nodes with the GPU; empty without a GPU."""
    if variant.resources.gpu is None:
        return {}
    pool = gpu_pool(variant, options)
    tolerations = [{"key": pool.taint, "operator": "Exists", "effect": "NoSchedule"}] if pool.taint else []
    return {"nodeSelector": dict(pool.node_labels), "tolerations": tolerations}


def gpu_pool(variant: Variant, options: ClusterOptions) -> GpuPool:
    """The nodes for a variant. Raises UnsupportedOnClusterError if no node can have the type."""
    gpu = variant.resources.gpu
    if gpu is None or gpu.type is None:
        return GpuPool()
    if (pool := options.gpu_pools.get(gpu.type)) is not None:
        return pool
    if not is_label_value(gpu.type):
        known = ", ".join(sorted(options.gpu_pools)) or "none are configured"
        raise UnsupportedOnClusterError(
            f"variant {variant.name} requests the GPU type {gpu.type!r}, which no label of a node can have. Use "
            f"the label {NVIDIA_PRODUCT} of a node, or one of the configured types ({known})"
        )
    return GpuPool(node_labels={NVIDIA_PRODUCT: gpu.type})
