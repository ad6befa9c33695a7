"""The Python SDK: models, jobs, servings and predictions, over the gateway's REST API and the ingress."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any
from urllib.parse import quote

from yarl import URL

from kleverproto.envelope import Event
from kleverproto.models import ExtractionPhase, ModelDocument
from kleverproto.projects import ProjectDocument, ProjectPolicy
from kleverproto.references import ModelRef
from ormb.adapters.credentials import find_credentials
from ormb.layout import default_root

from .answers import Platform, Rebuilt, understood
from .errors import ApiError, FailedError
from .job_calls import JobCalls
from .polling import until
from .serving_verbs import ServingVerbs
from .transport import follow_events

NOT_FOUND = 404


class KleverClient(JobCalls, ServingVerbs):
    """A connection to a platform; use it as an async context manager.

    Args:
        server: URL of the gateway; by default `$KLEVER_SERVER`, or that of the platform that runs with this home.
    """

    async def platform(self) -> dict[str, Any]:
        """Version and URLs of the platform. Raises UnreachableError."""
        found: dict[str, Any] = await self._call("GET", "/platform")
        return found

    async def models(self, /, **filters: str) -> list[ModelDocument]:
        """All model versions; filters are `project`, `format`, `extraction`, `q`. Raises ApiError."""
        return await self._list("/models", ModelDocument, filters)

    async def model(self, ref: ModelRef | str) -> ModelDocument:
        """One model version. Raises ApiError with status 404 where there is none."""
        ref = ModelRef.of(ref)
        path = f"/projects/{ref.project}/models/{quote(ref.model, safe='')}/versions/{ref.version}"
        return await self._get(path, ModelDocument)

    async def policy(self, project: str) -> ProjectPolicy:
        """What happens by itself to the models of a project. Raises ApiError."""
        return await self._get(_policy_path(project), ProjectPolicy)

    async def set_policy(self, project: str, policy: ProjectPolicy) -> ProjectPolicy:
        """Have models that are pushed from now on follow another policy; as it is kept. Raises ApiError."""
        body = policy.model_dump(mode="json")
        return (await self._read(ProjectDocument, "PUT", _policy_path(project), json=body)).spec.policy

    async def rebuild_catalogue(self) -> int:
        """Have the catalogue of the embedded registry made anew; how many versions it has.

        Raises:
            ApiError: the platform refuses it.
            AuthenticationError: stored credentials cannot be read.
        """
        registry = URL((await self._get("/platform", Platform)).urls.registry)
        known = await asyncio.to_thread(find_credentials, default_root(), registry.authority)
        headers = {"Authorization": known.basic} if known else {}
        url = str(registry / "catalogue/rebuild")
        return understood(Rebuilt, await self._http.json("POST", url, headers=headers), url).versions

    async def wait_for_signature(self, ref: ModelRef | str, *, within: float = 60.0) -> ModelDocument:
        """The version, once the platform has parsed it.

        Raises:
            FailedError: parsing failed, or took longer.
        """

        async def probe() -> ModelDocument | None:
            try:
                found = await self.model(ref)
            except ApiError as error:
                if error.status == NOT_FOUND:
                    return None
                raise
            return None if found.status.extraction is ExtractionPhase.PENDING else found

        found = await until(probe, within, f"{ref} has no signature")
        if found.status.problem is not None:
            raise FailedError(f"{ref}: {found.status.problem.message}")
        return found

    async def events(
        self, /, *, on_gap: Callable[[str], None] = lambda _reason: None, **filters: str
    ) -> AsyncGenerator[Event[Any], None]:
        """Events as they happen; an interrupted stream resumes behind the last one.

        Args:
            on_gap: called with the reason where events may be missing: read the documents again.
            filters: `type` and `subject`.

        Raises:
            ApiError: a filter is not valid.
            UnreachableError: the platform does not answer.
        """
        async for event in follow_events(self._http, self._url("/events"), filters, on_gap):
            yield event


def _policy_path(project: str) -> str:
    return f"/projects/{quote(project, safe='')}/policy"
