"""Examples for the OpenAPI document."""

from datetime import UTC, datetime
from typing import Any

from kleverproto.conversions import Quantization
from kleverproto.envelope import Event, EventSource
from kleverproto.job_ids import job_id
from kleverproto.jobs import JobDocument, JobKind, JobPhase, JobResult, JobSpec, JobStatus
from kleverproto.models import (
    ExtractionPhase,
    HistoryEntry,
    ModelDocument,
    ModelMetadata,
    ModelSpec,
    ModelStatus,
)
from kleverproto.projects import OnUnsafe, ProjectDocument, ProjectPolicy, ProjectSpec, ProjectStatus
from kleverproto.references import ModelRef
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingPhase, ServingReady, ServingStatus, VariantStatus
from kleverproto.signatures import Signature, Tensor
from kleverproto.traffic import Traffic
from kleverproto.variants import Variant

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DIGEST = f"sha256:{'5f' * 32}"
REF = ModelRef.parse("library/iris:v1")
URL = "http://127.0.0.1:8081/seldon/default/iris/v2/models/iris/infer"
POSITION = "644a1c7d41a40.12-644a1c7d46860.30-644a1c7d4b680.7"

SIGNATURE = Signature(
    inputs=(Tensor(name="x", dtype="float32", shape=("batch", 4)),),
    outputs=(Tensor(name="label", dtype="int64", shape=("batch",)),),
    framework="onnx",
)
MODEL = ModelDocument(
    spec=ModelSpec(
        ref=REF,
        digest=DIGEST,
        registry="127.0.0.1:5000",
        artifact_type="application/vnd.caicloud.model.config.v1alpha1+json",
        size=905,
        metadata=ModelMetadata(format="ONNX", author="jo", description="Which iris is it?"),
    ),
    status=ModelStatus(
        announced_generation=1,
        extraction=ExtractionPhase.SUCCEEDED,
        signature=SIGNATURE,
        history=(HistoryEntry(digest=DIGEST, pushed_at=NOW),),
    ),
    created_at=NOW,
    updated_at=NOW,
)
_JOB_SPEC = JobSpec(kind=JobKind.EXTRACT, ref=REF, digest=DIGEST, registry="127.0.0.1:5000", format="ONNX")
PENDING_JOB = JobDocument(id=job_id(_JOB_SPEC), spec=_JOB_SPEC, status=JobStatus(), created_at=NOW, updated_at=NOW)
JOB = PENDING_JOB.replace(
    status=JobStatus(
        phase=JobPhase.SUCCEEDED,
        attempts=1,
        started_at=NOW,
        finished_at=NOW,
        result=JobResult(signature=SIGNATURE),
    )
)
_VARIANT = Variant(name="v1", model=str(REF), digest=DIGEST)
PENDING_SERVING = ServingDocument(
    namespace="default",
    name="iris",
    spec=ServingSpec(variants=(_VARIANT,), traffic=Traffic(weights={"v1": 100})),
    status=ServingStatus(),
    created_at=NOW,
    updated_at=NOW,
)
_VARIANT_STATUS = VariantStatus(name="v1", model=str(REF), digest=DIGEST, ready_replicas=1, replicas=1, weight=100)
SERVING = PENDING_SERVING.replace(
    status=ServingStatus(
        phase=ServingPhase.READY,
        observed_generation=1,
        url=URL,
        variants=(_VARIANT_STATUS,),
        ready_at=NOW,
    )
)
DELETING_SERVING = SERVING.replace(status=SERVING.status.replace(phase=ServingPhase.DELETING))
EVENT: Event[Any] = EventSource("deployer", clock=lambda: NOW).event(
    ServingReady(namespace="default", name="iris", generation=1, url=URL, variants=(_VARIANT_STATUS,)),
    event_id="0b9c2f5e-3d0f-5a51-9c38-0d9d7c0f6c11",
    correlation_id="5d6a2c0e-7f53-4c0b-8c57-0f6b1d8f3a11",
)
EVENTS: dict[str, Any] = {
    "metadata": {"totalItems": 1},
    "items": [EVENT.model_dump(mode="json", exclude_none=True)],
}
SPEC_BODY: dict[str, Any] = {
    "variants": [{"name": "v1", "model": str(REF)}],
    "traffic": {"weights": {"v1": 100}},
}


POLICY = ProjectPolicy(
    convert=("ONNX",), quantize=Quantization.INT8, scan=OnUnsafe.BLOCK, trust=("my.module:MyTransformer",)
)
PROJECT = ProjectDocument(
    spec=ProjectSpec(name="library", policy=POLICY), status=ProjectStatus(), created_at=NOW, updated_at=NOW
)


def listed(*values: Any) -> dict[str, Any]:
    """Return a list response with these examples."""
    items = [value.model_dump(mode="json") for value in values]
    return {"metadata": {"totalItems": len(items)}, "items": items}
