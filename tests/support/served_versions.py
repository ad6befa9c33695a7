"""Served versions, to be rendered for Kubernetes."""

from typing import Any

from kleverkube.options import ClusterOptions, GpuPool
from kleverkube.version import ServedVersion
from kleverproto.references import ModelRef
from kleverproto.revisions import revision_of
from kleverproto.variants import CUSTOM, Autoscaling, Custom, Gpu, Network, Resources, SecretRef, Variant

DIGEST = f"sha256:{'ab' * 32}"
REGISTRY = "registry.example.com"
SCALED = Autoscaling(min_replicas=2, max_replicas=8, scale_down_seconds=90.5)


def served(
    model_format: str = "ONNX", runtime: str = "kleverserve", *, serving: str = "iris", **changes: Any
) -> ServedVersion:
    """Version v1 of library/iris; `changes` are of its variant, and `trust` and `registry` of the version."""
    own = {name: changes.pop(name) for name in ("trust", "registry", "namespace") if name in changes}
    usual: dict[str, Any] = {"name": "v1", "model": "library/iris:v1", "digest": DIGEST}
    variant = Variant(**(usual | changes))
    fields: dict[str, Any] = {
        "namespace": "default",
        "serving": serving,
        "revision": revision_of(variant),
        "variant": variant,
        "model": ModelRef.parse(variant.model),
        "digest": DIGEST,
        "registry": REGISTRY,
        "format": model_format,
        "runtime": runtime,
    }
    return ServedVersion(**(fields | own))


def with_gpu() -> ServedVersion:
    return served("TensorRT", "triton", resources=Resources(cpu="2", memory="8Gi", gpu=Gpu(count=2, type="A100")))


def with_environment() -> ServedVersion:
    custom = Custom(
        image="ghcr.io/acme/server:7", command=("serve", "--port", "$PORT", "--price", "$$5"), ready_path="/up"
    )
    env = {"GREETING": "$(HOME) costs $5", "API_TOKEN": SecretRef(secret="upstream"), "PORT": "1"}
    return served("", CUSTOM, custom=custom, env=env, network=Network.EGRESS)


GOLDEN: dict[str, tuple[ServedVersion, ClusterOptions]] = {
    "kleverserve": (served(replicas=2), ClusterOptions()),
    "kleverserve-sklearn": (
        served("SKLearn", trust=("numpy:dtype",), parameters={"maxBatchRows": 32}, resources=Resources(cpu="500m")),
        ClusterOptions(images={"ghcr.io/kleveross/kleverserve-sklearn": "mirror.example.com/sklearn:9"}),
    ),
    "triton": (served("ONNX", "triton", registry="127.0.0.1:5000"), ClusterOptions(plain_http=True)),
    "triton-gpu": (
        with_gpu(),
        ClusterOptions(gpu_pools={"A100": GpuPool(node_labels={"cloud.example.com/gpu": "a100"}, taint="gpu")}),
    ),
    "mlserver": (served("MLflow", "mlserver"), ClusterOptions(platform="staging", pull_secrets=("mirror",))),
    "openscoring": (served("PMML", "openscoring"), ClusterOptions()),
    "custom": (with_environment(), ClusterOptions()),
    "autoscaling": (
        served(autoscaling=SCALED, resources=Resources(cpu="1", memory="512Mi"), replicas=3),
        ClusterOptions(grace_seconds=30),
    ),
}
"""Name of the golden file to the rendered version: each runtime, and each feature."""
