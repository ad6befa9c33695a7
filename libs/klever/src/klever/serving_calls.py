"""The methods of the SDK for requests about servings."""

from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

from kleverproto.base import WireModel
from kleverproto.envelope import Event
from kleverproto.rollouts import RolloutAction
from kleverproto.serving_changes import ChangeTraffic, DeployVersion, RollBack, ScaleServing
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument

from .answers import parse_events
from .calls import Calls
from .errors import ApiError

NOT_FOUND = 404


class ServingCalls(Calls):
    """Requests about servings; `ServingWaits` waits for their results."""

    async def servings(self, namespace: str | None = None) -> list[ServingDocument]:
        """List the servings of a namespace, or of all namespaces. Raises ApiError."""
        path = "/servings" if namespace is None else f"/namespaces/{quote(namespace, safe='')}/servings"
        return await self._list(path, ServingDocument, {})

    async def serving(self, name: str, namespace: str = "default") -> ServingDocument | None:
        """Return a serving; None if it does not exist. Raises ApiError."""
        try:
            return await self._get(_path(namespace, name), ServingDocument)
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def apply(
        self, name: str, spec: ServingSpec, namespace: str = "default", *, replacing: ServingDocument | None = None
    ) -> ServingDocument:
        """Create a serving or replace its spec. Returns the new document.

        Args:
            name: the serving.
            spec: the new spec.
            namespace: of the serving.
            replacing: the document that the spec is based on; the request is rejected if it has changed since.

        Raises:
            ApiError: the spec is invalid, a model does not exist, or the document has changed.
        """
        headers = {"If-Match": str(replacing.generation)} if replacing else {}
        path, body = _path(namespace, name), _spec_body(spec)
        return await self._read(ServingDocument, "PUT", path, json=body, headers=headers)

    async def preview_spec(self, name: str, spec: ServingSpec, namespace: str = "default") -> ServingDocument:
        """The serving as it would be after `apply`; nothing is requested. Raises ApiError, like it."""
        path, body = _path(namespace, name), _spec_body(spec)
        return await self._read(ServingDocument, "PUT", path, json=body, params={"dryRun": "true"})

    async def deploy_version(self, name: str, change: DeployVersion, namespace: str = "default") -> ServingDocument:
        """Serve a model version, alone or beside others. Returns the new document.

        Raises:
            ApiError: the version does not exist, its project rejects it, or the change does not fit the serving.
        """
        return await self._change("POST", f"{_path(namespace, name)}/deploy", change)

    async def preview_version(self, name: str, change: DeployVersion, namespace: str = "default") -> ServingDocument:
        """The serving as it would be after `deploy_version`; nothing is requested. Raises ApiError, like it."""
        return await self._change("POST", f"{_path(namespace, name)}/deploy", change, dryRun="true")

    async def change_traffic(self, name: str, change: ChangeTraffic, namespace: str = "default") -> ServingDocument:
        """Change the split of requests. Fields that are not set keep their values. Raises ApiError."""
        return await self._change("PATCH", f"{_path(namespace, name)}/traffic", change)

    async def scale(self, name: str, change: ScaleServing, namespace: str = "default") -> ServingDocument:
        """Change the number of replicas. Raises ApiError."""
        return await self._change("PUT", f"{_path(namespace, name)}/scale", change)

    async def roll_back(
        self, name: str, namespace: str = "default", *, generation: int | None = None
    ) -> ServingDocument:
        """Return to an earlier revision; default is the last one. Raises ApiError."""
        change = RollBack() if generation is None else RollBack(generation=generation)
        return await self._change("POST", f"{_path(namespace, name)}/rollback", change)

    async def delete(self, name: str, namespace: str = "default") -> None:
        """Request the deletion of a serving. Raises ApiError with status 404 if it does not exist."""
        await self._read(ServingDocument, "DELETE", _path(namespace, name))

    async def serving_events(self, name: str, namespace: str = "default") -> list[Event[Any]]:
        """Return the newest events of a serving, oldest first. Raises ApiError."""
        path = f"{_path(namespace, name)}/events"
        return parse_events(await self._call("GET", path), self._url(path))

    async def steer(self, name: str, action: RolloutAction, namespace: str = "default") -> ServingDocument:
        """Pause, resume, promote or abort a rollout. Raises ApiError with status 409 if none is in progress."""
        path = f"{_path(namespace, name)}/rollout"
        return await self._read(ServingDocument, "POST", path, json={"action": action.value})

    async def serving_log(
        self, name: str, namespace: str = "default", *, variant: str | None = None, follow: bool = False
    ) -> AsyncGenerator[str, None]:
        """Yield the logs of a serving's model servers; with `follow`, also new lines.

        Raises:
            ApiError: the serving does not exist.
            UnreachableError: the platform does not respond, or the connection is lost.
        """
        params = {"follow": "true" if follow else "false", **({"variant": variant} if variant else {})}
        async for line in self._http.lines(self._url(f"{_path(namespace, name)}/logs"), params):
            yield line

    async def _change(self, method: str, path: str, change: WireModel, **query: str) -> ServingDocument:
        body = change.model_dump(mode="json", exclude_unset=True)
        return await self._read(ServingDocument, method, path, json=body, params=query)


def _spec_body(spec: ServingSpec) -> dict[str, Any]:
    return {"spec": spec.model_dump(mode="json", exclude_none=True)}


def _path(namespace: str, name: str) -> str:
    return f"/namespaces/{quote(namespace, safe='')}/servings/{quote(name, safe='')}"
