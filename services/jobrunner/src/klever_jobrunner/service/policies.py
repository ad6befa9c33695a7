"""Requests the conversions that a project's policy defines for pushed models."""

from dataclasses import dataclass
from datetime import datetime

from kleverkit.documents import Documents
from kleverkit.publisher import EventPublisher
from kleverproto.conversions import CONVERTED_FROM, UNVERIFIED, Conversion
from kleverproto.envelope import Event, EventSource
from kleverproto.job_ids import job_id
from kleverproto.jobs import JobKind, JobRequested, JobSpec
from kleverproto.models import ExtractionPhase, ModelDocument, ModelUpdated
from kleverproto.projects import OnUnsafe, ProjectDocument
from kleverproto.scans import is_blocked
from kleverproto.servable import unconvertible
from kleverproto.subjects import escape


@dataclass(frozen=True)
class Policies:
    """Requests the conversions that the policy of a project defines."""

    models: Documents[ModelDocument]
    projects: Documents[ProjectDocument]
    publisher: EventPublisher
    events: EventSource

    async def updated(self, event: Event[ModelUpdated]) -> None:
        """Request the conversions of a parsed model; a repeated request is the same job. Raises TransientError."""
        if event.data.extraction is not ExtractionPhase.SUCCEEDED:
            return
        project = await self.projects.get(escape(event.data.ref.project))
        model = await self.models.get(event.data.ref.key)
        if project is None or model is None or model.document.spec.digest != event.data.digest:
            return
        for spec in wanted(model.document, project.document):
            request = JobRequested(id=job_id(spec), spec=spec)
            await self.publisher.publish(self.events.caused_by(event, request, request.id))


def wanted(model: ModelDocument, project: ProjectDocument) -> list[JobSpec]:
    """The conversions of a model that a project's policy defines.

    Empty for models that were pushed before the policy was set, results of conversions, blocked models, and formats
    that cannot be converted.
    """
    policy, spec, scan = project.spec.policy, model.spec, model.status.scan
    blocked = (
        policy.scan is OnUnsafe.BLOCK and scan is not None and is_blocked(scan.verdict, scan.untrusted, policy.trust)
    )
    if blocked or unconvertible(model) or {CONVERTED_FROM, UNVERIFIED} & spec.metadata.labels.keys():
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
        if _is_pushed_since(model, project.status.converts_since.get(target))
    ]


def _is_pushed_since(model: ModelDocument, moment: datetime | None) -> bool:
    history = model.status.history
    return moment is None or (history[-1].pushed_at if history else model.created_at) >= moment
