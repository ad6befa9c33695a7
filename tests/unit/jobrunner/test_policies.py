"""The conversions that a project's policy requests."""

from datetime import datetime, timedelta

import pytest

from klever_jobrunner.service.policies import Policies, wanted
from kleverkit.documents import mutate
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.publisher import RecordingPublisher
from kleverproto.conversions import CONVERTED_FROM, Quantization
from kleverproto.envelope import Event, EventSource
from kleverproto.job_ids import job_id
from kleverproto.jobs import JobRequested
from kleverproto.models import ExtractionPhase, ModelDocument, ModelMetadata, ModelUpdated
from kleverproto.projects import OnUnsafe, ProjectDocument, ProjectPolicy, ProjectSpec, ProjectStatus
from kleverproto.scans import Finding, Scan, Severity
from kleverproto.signatures import Signature
from support.gateway import NOW, digest, version_document

TO_ONNX = ProjectPolicy(convert=("ONNX",))


def model(
    fmt: str = "SavedModel", *, severity: Severity | None = None, labels: dict[str, str] | None = None
) -> ModelDocument:
    """A parsed and scanned version."""
    document = version_document(fmt=fmt)
    metadata = ModelMetadata(format=fmt, labels=labels or {})
    findings = (Finding(file="m.pkl", what="os.system", severity=severity, reason="why"),) if severity else ()
    scan = Scan(verdict=severity or "clean", findings=findings, scanner="klever", scanner_version="1")
    return document.model_copy(
        update={
            "spec": document.spec.model_copy(update={"metadata": metadata}),
            "status": document.status.model_copy(update={"scan": scan}),
        }
    )


def project(policy: ProjectPolicy, **since: datetime) -> ProjectDocument:
    status = ProjectStatus(converts_since=since)
    spec = ProjectSpec(name="library", policy=policy)
    return ProjectDocument(spec=spec, status=status, created_at=NOW, updated_at=NOW)


def targets(document: ModelDocument, policy: ProjectPolicy) -> list[tuple[str, str | None]]:
    """The format and quantisation of each requested conversion."""
    conversions = [spec.conversion for spec in wanted(document, project(policy))]
    return [(each.to, each.quantize) for each in conversions if each is not None]


def test_each_format_of_the_policy_is_requested() -> None:
    policy = ProjectPolicy(convert=("ONNX", "OpenVINO"), quantize=Quantization.INT8)
    assert targets(model(), policy) == [("ONNX", "int8"), ("OpenVINO", "int8")]


def test_a_model_of_the_target_format_is_only_quantised() -> None:
    assert targets(model("ONNX"), TO_ONNX) == []
    assert targets(model("ONNX"), TO_ONNX.model_copy(update={"quantize": Quantization.FP16})) == [("ONNX", "fp16")]


def test_a_model_detected_as_the_target_format_is_not_converted() -> None:
    document = version_document(fmt=None)
    parsed = document.status.model_copy(update={"signature": Signature(format="ONNX")})
    assert targets(document.model_copy(update={"status": parsed}), TO_ONNX) == []
    parsed = document.status.model_copy(update={"signature": Signature(format="Keras")})
    (asked,) = wanted(document.model_copy(update={"status": parsed}), project(TO_ONNX))
    assert asked.format == "Keras"


def test_the_result_of_a_conversion_is_not_converted_again() -> None:
    assert targets(model(labels={CONVERTED_FROM: "library/iris@sha256:1"}), TO_ONNX) == []


def test_an_unverified_result_is_not_converted() -> None:
    assert targets(model(labels={"klever.dev/unverified": "the check crashed"}), TO_ONNX) == []


@pytest.mark.parametrize(("on_unsafe", "asked"), [(OnUnsafe.BLOCK, 0), (OnUnsafe.WARN, 1)])
def test_a_dangerous_model_is_loaded_only_if_that_is_allowed(on_unsafe: OnUnsafe, asked: int) -> None:
    policy = TO_ONNX.model_copy(update={"scan": on_unsafe})
    assert len(targets(model(severity="dangerous"), policy)) == asked


def test_a_tag_that_was_pushed_before_the_policy_changed_is_left_alone() -> None:
    policy = ProjectPolicy(convert=("ONNX", "OpenVINO"))
    document = version_document(fmt="SavedModel", history=(1,))
    pushed = document.status.history[-1].pushed_at
    since = {"ONNX": pushed, "OpenVINO": pushed + timedelta(seconds=1)}
    conversions = [spec.conversion for spec in wanted(document, project(policy, **since))]
    assert [each.to for each in conversions if each] == ["ONNX"]


def test_an_unsupported_conversion_is_not_requested() -> None:
    document = model()
    status = document.status.model_copy(update={"signature": Signature(details={"signature": None})})
    assert targets(document.model_copy(update={"status": status}), TO_ONNX) == []


class World:
    """Policies over documents in memory."""

    def __init__(self) -> None:
        self.models = InMemoryDocuments[ModelDocument]()
        self.projects = InMemoryDocuments[ProjectDocument]()
        self.publisher = RecordingPublisher()
        self.policies = Policies(self.models, self.projects, self.publisher, EventSource("jobrunner"))

    async def holds(self, policy: ProjectPolicy | None) -> None:
        """Store a parsed model, and optionally a policy of its project."""
        document = model()
        await mutate(self.models, document.spec.ref.key, lambda _: document)
        if policy:
            spec = ProjectSpec(name="library", policy=policy)
            project = ProjectDocument(spec=spec, status=ProjectStatus(), created_at=NOW, updated_at=NOW)
            await mutate(self.projects, "library", lambda _: project)

    async def requests(
        self, phase: ExtractionPhase = ExtractionPhase.SUCCEEDED, *, number: int = 1
    ) -> list[JobRequested]:
        """Return the requests after the model is reported as parsed."""
        data = ModelUpdated(ref=model().spec.ref, digest=digest(number), extraction=phase)
        event: Event[ModelUpdated] = EventSource("registry").event(data, event_id="event-1")
        await self.policies.updated(event)
        return [data for data in self.publisher.data() if isinstance(data, JobRequested)]


async def test_a_parsed_model_is_converted_by_the_policy_of_its_project() -> None:
    world = World()
    await world.holds(TO_ONNX)
    (asked,) = await world.requests()
    (spec,) = wanted(model(), project(TO_ONNX))
    assert (asked.id, asked.spec) == (job_id(spec), spec)


async def test_no_conversion_is_requested_without_policy_or_signature_or_for_other_bytes() -> None:
    world = World()
    await world.holds(None)
    assert await world.requests() == []
    await world.holds(TO_ONNX)
    assert await world.requests(ExtractionPhase.FAILED) == []
    assert await world.requests(number=2) == []


def test_an_untrusted_model_is_not_converted_until_the_project_trusts_it() -> None:
    document = model(severity="untrusted")
    assert document.status.scan is not None
    scan = document.status.scan.model_copy(update={"untrusted": ("my.models:Doubling",)})
    document = document.model_copy(update={"status": document.status.model_copy(update={"scan": scan})})
    assert targets(document, TO_ONNX) == []
    trusting = TO_ONNX.model_copy(update={"trust": ("my.models:Doubling",)})
    assert targets(document, trusting) == [("ONNX", None)]
