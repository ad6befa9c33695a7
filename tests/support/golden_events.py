"""One example of every event type, as Python values; `tests/data/events` holds them as JSON."""

from datetime import UTC, datetime

from kleverproto.base import WireModel
from kleverproto.conversions import Quantization
from kleverproto.deadletters import DeadLettered
from kleverproto.documents import Problem
from kleverproto.envelope import Event, EventSource
from kleverproto.jobs import (
    JobCancelled,
    JobCancelRequested,
    JobCompleted,
    JobDeleted,
    JobDeleteRequested,
    JobFailed,
    JobKind,
    JobLogged,
    JobRequested,
    JobResult,
    JobSpec,
    JobStarted,
)
from kleverproto.models import ExtractionPhase, ModelDeleted, ModelDeleteRequested, ModelPushed, ModelUpdated
from kleverproto.preconditions import ServingRequestDecided, unmet_precondition
from kleverproto.projects import OnUnsafe, ProjectPolicy, ProjectPolicyChanged, ProjectPolicyRequested
from kleverproto.references import ModelRef
from kleverproto.rollouts import Measurement, RolloutAction, RolloutPhase, RolloutStatus, RolloutStep
from kleverproto.scans import Finding, Scan
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import (
    ServingDeleted,
    ServingDeleteRequested,
    ServingFailed,
    ServingLogged,
    ServingProgressed,
    ServingReady,
    ServingRequested,
    ServingRolledBack,
    ServingRolloutRequested,
    ServingUnavailable,
    TrafficShifted,
    VariantStatus,
)
from kleverproto.signatures import Signature, Tensor
from kleverproto.traffic import Traffic
from kleverproto.variants import Variant

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DIGEST = f"sha256:{'ab' * 32}"
REGISTRY = "localhost:5000"
REF = ModelRef.parse("library/iris:v1.0")
SIGNATURE = Signature(
    inputs=(Tensor(name="x", dtype="float32", shape=("batch", 4)),),
    outputs=(Tensor(name="label", dtype="int64", shape=("batch",)),),
    operators={"Gemm": 1, "Softmax": 1, "ArgMax": 1},
    framework="onnx",
    details={"opset": {"ai.onnx": 17}},
)
JOB_SPEC = JobSpec(kind=JobKind.EXTRACT, ref=REF, digest=DIGEST, registry=REGISTRY, format="ONNX")
MISMATCH = unmet_precondition("iris", 3, 2)
PROBLEM = Problem(code="invalid_model", message="model.onnx is truncated: push the model again.")
ROLLOUT = RolloutStatus(
    generation=2,
    strategy="canary",
    phase=RolloutPhase.ROLLED_BACK,
    since=NOW,
    message="at 5 %: 40 % of 20 requests failed, and the limit is 1 %",
    measured=Measurement(requests=20, error_percent=40.0, p95_ms=25.0, p99_ms=50.0),
    steps=(RolloutStep(weight=5, weights={"v1": 95, "v2": 5}, at=NOW, message="step 1 of 3"),),
)
SPEC = ServingSpec(
    variants=(
        Variant(name="v1", model="library/iris:v1", digest=DIGEST),
        Variant(name="v2", model="library/iris:v2", digest=DIGEST),
    ),
    traffic=Traffic(weights={"v1": 80, "v2": 20}),
)
STATUS = (VariantStatus(name="v1", model="library/iris:v1", digest=DIGEST, ready_replicas=1, replicas=1, weight=80),)
URL = "http://127.0.0.1:8081/seldon/default/iris/v2/models/iris/infer"

SCAN = Scan(
    verdict="dangerous",
    findings=(
        Finding(file="model/model.pkl", what="os.system", severity="dangerous", reason="loading it runs commands"),
    ),
    untrusted=("my.module:MyTransformer",),
    scanner="klever",
    scanner_version="0.1.0",
)

POLICY = ProjectPolicy(
    convert=("ONNX",), quantize=Quantization.INT8, scan=OnUnsafe.BLOCK, trust=("my.module:MyTransformer",)
)

DATA: tuple[WireModel, ...] = (
    ModelPushed(ref=REF, digest=DIGEST, registry=REGISTRY, format="ONNX", size=905),
    ModelUpdated(ref=REF, digest=DIGEST, extraction=ExtractionPhase.SUCCEEDED, scan=SCAN),
    ModelDeleteRequested(ref=REF, digest=DIGEST, generation=2, created_at=NOW),
    ModelDeleted(ref=REF, digest=DIGEST),
    ProjectPolicyRequested(project="library", policy=POLICY),
    ProjectPolicyChanged(project="library", policy=POLICY),
    JobRequested(id="job-1", spec=JOB_SPEC),
    JobCancelRequested(id="job-1", spec=JOB_SPEC),
    JobStarted(id="job-1", spec=JOB_SPEC),
    JobCompleted(id="job-1", spec=JOB_SPEC, result=JobResult(signature=SIGNATURE, scan=SCAN)),
    JobFailed(id="job-1", spec=JOB_SPEC, problem=PROBLEM, result=JobResult(scan=SCAN)),
    JobCancelled(id="job-1", spec=JOB_SPEC),
    JobDeleteRequested(id="job-1", spec=JOB_SPEC),
    JobDeleted(id="job-1", spec=JOB_SPEC),
    JobLogged(id="job-1", lines=("tf2onnx: 12 operators", "written")),
    ServingRequested(namespace="default", name="iris", spec=SPEC),
    ServingDeleteRequested(namespace="default", name="iris"),
    ServingRequestDecided(namespace="default", name="iris", generation=3, problem=MISMATCH),
    ServingProgressed(namespace="default", name="iris", generation=2, step="v2: replicas ready"),
    ServingReady(namespace="default", name="iris", generation=2, url=URL, variants=STATUS),
    ServingFailed(namespace="default", name="iris", generation=2, problem=PROBLEM),
    ServingRolloutRequested(namespace="default", name="iris", generation=2, action=RolloutAction.PROMOTE),
    ServingRolledBack(namespace="default", name="iris", generation=2, problem=PROBLEM, rollout=ROLLOUT),
    ServingLogged(namespace="default", name="iris", variant="v1", revision="0a1b", replica=0, lines=("ready",)),
    ServingUnavailable(namespace="default", name="iris", generation=1, problem=PROBLEM, variants=()),
    ServingDeleted(namespace="default", name="iris"),
    TrafficShifted(namespace="default", name="iris", generation=2, weights={"v1": 80, "v2": 20}),
    DeadLettered(
        stream="KLEVER_MODELS",
        sequence=7,
        subject="klever.model.pushed.library.iris",
        consumer="jobrunner-extract",
        deliveries=8,
        reason="exhausted",
        error="TransientError: the registry does not answer",
    ),
)


def _example(data: WireModel) -> Event[WireModel]:
    return EventSource("example", clock=lambda: NOW).event(
        data, event_id="0b9c2f5e-3d0f-5a51-9c38-0d9d7c0f6c11", correlation_id="correlation é %"
    )


EXAMPLES: dict[type[WireModel], Event[WireModel]] = {type(data): _example(data) for data in DATA}
