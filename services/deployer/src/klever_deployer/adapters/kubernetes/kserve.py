"""Versions as InferenceServices: KServe creates their Deployments."""

from datetime import datetime, timedelta
from typing import Any

from kleverkube.kserve.inference_services import AUTOSCALER, EXTERNAL
from kleverkube.kserve.names import deployment_name, inference_service_name
from kleverkube.kserve.rendering import kserve_refusal, render_for_kserve
from kleverkube.manifest import Manifest
from kleverkubeclient.resources import INFERENCE_SERVICES
from kleverroutes.versions import VersionKey

from .kinds import VersionKind

PATIENCE = timedelta(seconds=30)
"""Time in which KServe creates a Deployment; it retries what fails, such as a namespace without quota."""


def _parts(key: VersionKey) -> tuple[str, str, str, str]:
    return key.serving.namespace, key.serving.name, key.variant, key.revision


def _is_autoscaled(service: Manifest) -> bool:
    return bool(service["metadata"].get("annotations", {}).get(AUTOSCALER) == EXTERNAL)


def _desired(service: Manifest) -> int | None:
    """KServe passes a fixed number on to the Deployment, a moment later."""
    predictor: dict[str, Any] = service["spec"]["predictor"]
    return None if _is_autoscaled(service) else predictor.get("minReplicas", 1)


def _waiting(service: Manifest, now: datetime) -> str | None:
    """KServe's conditions do not mention why it cannot create a Deployment; its events do."""
    metadata = service["metadata"]
    if now - datetime.fromisoformat(metadata["creationTimestamp"]) < PATIENCE:
        return None
    command = f"kubectl describe inferenceservice {metadata['name']} --namespace {metadata['namespace']}"
    return (
        f"KServe has created no Deployment for the InferenceService {metadata['name']}: check that its controller "
        f"runs, and the events in `{command}`"
    )


KSERVE = VersionKind(
    root=INFERENCE_SERVICES,
    name=lambda key: inference_service_name(*_parts(key)),
    deployment_name=lambda key: deployment_name(*_parts(key)),
    render=render_for_kserve,
    refusal=kserve_refusal,
    is_autoscaled=_is_autoscaled,
    desired=_desired,
    waiting=_waiting,
)
