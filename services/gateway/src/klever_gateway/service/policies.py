"""Policies of projects."""

from klever_gateway.domain.rows import Collection, policy_row
from kleverkit.errors import TransientError
from kleverproto import subjects
from kleverproto.projects import (
    ProjectDocument,
    ProjectPolicy,
    ProjectPolicyRequested,
    ProjectSpec,
    ProjectStatus,
)

from .submitter import Accepted, Submitter


class Policies:
    """Reads policies and accepts requests to change them. The registry stores policies."""

    def __init__(self, submitter: Submitter) -> None:
        self._submitter = submitter

    async def get(self, project: str) -> ProjectPolicy:
        """Return the policy of a project, or one without actions if none was set. Raises TransientError."""
        document = await self._document(project)
        return document.spec.policy if document else ProjectPolicy()

    async def put(self, project: str, policy: ProjectPolicy) -> Accepted:
        """Request a new policy. Raises TransientError if the request cannot be stored."""
        present, now = await self._document(project), self._submitter.clock()
        spec = ProjectSpec(name=project, policy=policy)
        document = (
            present.replace(spec=spec, generation=present.generation + 1, updated_at=now)
            if present
            else ProjectDocument(spec=spec, status=ProjectStatus(), created_at=now, updated_at=now)
        )
        event = self._submitter.event(ProjectPolicyRequested(project=project, policy=policy))
        is_new = present is None or present.spec != spec
        shown = document if is_new or present is None else present
        row = policy_row(subjects.escape(project), 0, shown, accepted=is_new)
        return await self._submitter.submit(event, Collection.POLICIES, row)

    async def _document(self, project: str) -> ProjectDocument | None:
        row = await self._submitter.projection.get(Collection.POLICIES, subjects.escape(project))
        if row is None and not await self._submitter.projection.is_loaded(Collection.POLICIES):
            raise TransientError("the gateway has not read the policies yet: try again in a moment")
        return ProjectDocument.model_validate_json(row.body) if row else None
