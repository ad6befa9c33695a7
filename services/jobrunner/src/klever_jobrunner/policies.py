"""What a project wants done with each model that was pushed into it."""

from dataclasses import dataclass

from kleverkit.documents import Documents
from kleverkit.publisher import EventPublisher
from kleverproto.conversions import CONVERTED_FROM, Conversion
from kleverproto.envelope import Event, EventSource
from kleverproto.job_ids import job_id
from kleverproto.jobs import JobKind, JobRequested, JobSpec
from kleverproto.models import ExtractionPhase, ModelDocument, ModelUpdated
from kleverproto.projects import OnUnsafe, ProjectDocument, ProjectPolicy
from kleverproto.scans import BLOCKED
from kleverproto.subjects import escape


@dataclass(frozen=True)
class Policies:
    """Asks for the conversions that the policy of a project wants."""

    models: Documents[ModelDocument]
    projects: Documents[ProjectDocument]
    publisher: EventPublisher
    events: EventSource

    async def updated(self, event: Event[ModelUpdated]) -> None:
        """A model was parsed: ask for what its project wants; asking twice is one job. Raises TransientError."""
        if event.data.extraction is not ExtractionPhase.SUCCEEDED:
            return
        project = await self.projects.get(escape(event.data.ref.project))
        model = await self.models.get(event.data.ref.key)
        if project is None or model is None or model.document.spec.digest != event.data.digest:
            return
        for spec in wanted(model.document, project.document.spec.policy):
            request = JobRequested(id=job_id(spec), spec=spec)
            await self.publisher.publish(self.events.caused_by(event, request, request.id))


def wanted(model: ModelDocument, policy: ProjectPolicy) -> list[JobSpec]:
    """The conversions of a model that a policy wants; none of what a conversion has made, or of what is blocked."""
    spec, scan = model.spec, model.status.scan
    blocked = policy.scan is OnUnsafe.BLOCK and scan is not None and scan.verdict in BLOCKED
    if blocked or CONVERTED_FROM in spec.metadata.labels:
        return []
    return [
        JobSpec(
            kind=JobKind.CONVERT,
            ref=spec.ref,
            digest=spec.digest,
            registry=spec.registry,
            format=model.format,
            conversion=Conversion(to=target, quantize=policy.quantize),
        )
        for target in policy.convert
        if target != model.format or policy.quantize is not None
    ]
