"""The Python SDK: models, jobs, servings and predictions, over the gateway's REST API and the ingress."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any
from urllib.parse import quote

from yarl import URL

from kleverproto.envelope import Event
from kleverproto.models import ExtractionPhase, ModelDocument
from kleverproto.projects import ProjectDocument, ProjectPolicy
from kleverproto.references import ModelRef
from ormb.adapters.own_registries import OwnRegistries
from ormb.layout import default_root
from ormb.own_registry import HOST

from .answers import LoginLink, Page, Platform, Rebuilt, parse_response
from .errors import ApiError, FailedError
from .job_calls import JobCalls
from .polling import until
from .serving_verbs import ServingVerbs
from .transport import follow_events

NOT_FOUND = 404
log = logging.getLogger(__name__)


class KleverClient(JobCalls, ServingVerbs):
    """A connection to a platform; use it as an async context manager.

    Args:
        server: URL of the gateway; default is `$KLEVER_SERVER`, or the platform that runs with this home.
        token: the token of the gateway; default is `$KLEVER_TOKEN`, the content of the file `$KLEVER_TOKEN_FILE`, or
            the token of this home if `server` is its platform.
    """

    async def platform(self) -> dict[str, Any]:
        """Return version and URLs of the platform. Raises UnreachableError."""
        platform: dict[str, Any] = await self._call("GET", "/platform")
        return platform

    async def login_link(self) -> str:
        """Return a URL that logs a browser in. It is valid once, for some minutes. Raises ApiError."""
        return (await self._read(LoginLink, "POST", "/login-links")).url

    async def models(self, /, **filters: str) -> list[ModelDocument]:
        """List model versions; filters are `project`, `format`, `extraction`, `q`. Raises ApiError."""
        return await self._list("/models", ModelDocument, filters)

    async def model(self, ref: ModelRef | str) -> ModelDocument:
        """Return a model version. Raises ApiError with status 404 if it does not exist."""
        return await self._get(_version_path(ModelRef.coerce(ref)), ModelDocument)

    async def delete_model(self, ref: ModelRef | str) -> ModelDocument:
        """Request the deletion of a version; other tags of the same digest are kept. Returns the version.

        Raises:
            ApiError: with status 404 if the version does not exist, with 409 if it is served.
        """
        return await self._read(ModelDocument, "DELETE", _version_path(ModelRef.coerce(ref)))

    async def delete_versions(self, project: str, model: str) -> list[ModelDocument]:
        """Request the deletion of all versions of a model. Returns the versions.

        Raises the errors of `delete_model`.
        """
        path = _model_path(project, model)
        page = await self._read(Page, "DELETE", path)
        return [parse_response(ModelDocument, item, self._url(path)) for item in page.items]

    async def wait_for_model_deleted(self, version: ModelDocument, *, within: float = 60.0) -> None:
        """Wait until a version is deleted, or its tag was pushed again. Raises FailedError."""

        async def probe() -> bool | None:
            try:
                present = await self.model(version.spec.ref)
            except ApiError as error:
                if error.status == NOT_FOUND:
                    return True
                raise
            return True if present.created_at != version.created_at else None

        await until(probe, within, f"{version.spec.ref} is still in the registry {version.spec.registry}")

    async def policy(self, project: str) -> ProjectPolicy:
        """Return the policy of a project. Raises ApiError."""
        return await self._get(_policy_path(project), ProjectPolicy)

    async def set_policy(self, project: str, policy: ProjectPolicy) -> ProjectPolicy:
        """Replace the policy for models that are pushed from now on. Returns the stored policy. Raises ApiError."""
        body = policy.model_dump(mode="json")
        return (await self._read(ProjectDocument, "PUT", _policy_path(project), json=body)).spec.policy

    async def rebuild_catalogue(self) -> int:
        """Rebuild the catalogue of the embedded registry. Returns the number of versions.

        Raises:
            ApiError: the platform rejects the request.
            AuthenticationError: stored credentials cannot be read.
        """
        registry = URL((await self._get("/platform", Platform)).urls.registry)
        own = OwnRegistries(default_root())
        if registry.host == "localhost" and own.is_own(registry.port or 0):
            registry = registry.with_host(HOST)  # other servers may listen on ::1
        known = await asyncio.to_thread(own.find, registry.authority, log.warning)
        headers = {"Authorization": known.basic} if known else {}
        url = str(registry / "catalogue/rebuild")
        return parse_response(Rebuilt, await self._http.json("POST", url, headers=headers), url).versions

    async def wait_for_signature(self, ref: ModelRef | str, *, within: float = 60.0) -> ModelDocument:
        """Wait until the platform has parsed a version, and return it.

        Raises:
            FailedError: parsing failed or timed out.
        """

        async def probe() -> ModelDocument | None:
            try:
                version = await self.model(ref)
            except ApiError as error:
                if error.status == NOT_FOUND:
                    return None
                raise
            return None if version.status.extraction is ExtractionPhase.PENDING else version

        version = await until(probe, within, f"{ref} has no signature")
        if version.status.problem is not None:
            raise FailedError(f"{ref}: {version.status.problem.message}")
        return version

    async def events(
        self, /, *, on_gap: Callable[[str], None] = lambda _reason: None, **filters: str
    ) -> AsyncGenerator[Event[Any], None]:
        """Yield events as they occur. An interrupted stream resumes after the last one.

        Args:
            on_gap: called with the reason if events may be missing: read the documents again.
            filters: `type` and `subject`.

        Raises:
            ApiError: a filter is invalid.
            UnreachableError: the platform does not respond.
        """
        async for event in follow_events(self._http, self._url("/events"), filters, on_gap):
            yield event


def _model_path(project: str, model: str) -> str:
    return f"/projects/{quote(project, safe='')}/models/{quote(model, safe='')}"


def _version_path(ref: ModelRef) -> str:
    return f"{_model_path(ref.project, ref.model)}/versions/{ref.version}"


def _policy_path(project: str) -> str:
    return f"/projects/{quote(project, safe='')}/policy"
