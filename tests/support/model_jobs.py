"""Jobs, to be rendered for Kubernetes."""

from typing import Any

from kleverkube.job_options import JobOptions, ModelJob
from kleverkube.options import ClusterOptions, GpuPool
from kleverproto.variants import Gpu

DIGEST = f"sha256:{'ab' * 32}"
REGISTRY, REPOSITORY = "registry.example.com", "library/iris"


def model_job(**changes: Any) -> ModelJob:
    usual: dict[str, Any] = {
        "id": "0b7ae6a5-9b0e-5a44-8d35-5f2c5f6a1a51",
        "generation": 1,
        "project": "library",
        "registry": REGISTRY,
        "model": f"{REPOSITORY}@{DIGEST}",
        "request": '{"spec":{"kind":"convert"}}',
        "publishes": True,
    }
    return ModelJob(**(usual | changes))


def job_options(**changes: Any) -> JobOptions:
    usual: dict[str, Any] = {"cluster": ClusterOptions(), "namespace": "klever"}
    return JobOptions(**(usual | changes))


GOLDEN: dict[str, tuple[ModelJob, JobOptions]] = {
    "convert": (model_job(), job_options(environment={"KLEVER_JOBRUNNER_CONVERSION_MEMORY_MB": "7680"})),
    "convert-gpu": (
        model_job(gpu=Gpu(count=2, type="A100"), samples=f"{REPOSITORY}@{DIGEST}"),
        job_options(
            cluster=ClusterOptions(
                platform="staging",
                pull_secrets=("mirror",),
                registries={REGISTRY: "http://registry.klever.svc:5000"},
                gpu_pools={"A100": GpuPool(node_labels={"cloud.example.com/gpu": "a100"}, taint="gpu")},
            ),
            deadline_seconds=600,
        ),
    ),
    "extract": (model_job(publishes=False), job_options()),
}
"""Name of the golden file to the rendered object."""
