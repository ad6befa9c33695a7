"""Policies of projects: reads them, and stores requests for other ones."""

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

from .writing import Writing, Written


class Policies:
    """Reads policies, and accepts new ones; the registry stores them."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    async def get(self, project: str) -> ProjectPolicy:
        """The policy; one without actions if none was set. Raises TransientError."""
        document = await self._document(project)
        return document.spec.policy if document else ProjectPolicy()

    async def put(self, project: str, policy: ProjectPolicy) -> Written:
        """Requests another policy. Raises TransientError when the request could not be stored."""
        present, now = await self._document(project), self._writing.clock()
        spec = ProjectSpec(name=project, policy=policy)
        wanted = (
            present.replace(spec=spec, generation=present.generation + 1, updated_at=now)
            if present
            else ProjectDocument(spec=spec, status=ProjectStatus(), created_at=now, updated_at=now)
        )
        event = self._writing.event(ProjectPolicyRequested(project=project, policy=policy))
        is_new = present is None or present.spec != spec
        row = policy_row(subjects.escape(project), 0, wanted if is_new or present is None else present, accepted=is_new)
        return await self._writing.submit(event, Collection.POLICIES, row)

    async def _document(self, project: str) -> ProjectDocument | None:
        row = await self._writing.projection.get(Collection.POLICIES, subjects.escape(project))
        if row is None and not await self._writing.projection.is_loaded(Collection.POLICIES):
            raise TransientError("the gateway has not read the policies yet: try again in a moment")
        return ProjectDocument.model_validate_json(row.body) if row else None
