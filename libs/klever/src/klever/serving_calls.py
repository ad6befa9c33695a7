"""The part of the SDK that sends requests about servings."""

from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

from kleverproto.base import WireModel
from kleverproto.envelope import Event
from kleverproto.rollouts import RolloutAction
from kleverproto.serving_changes import ChangeTraffic, DeployVersion, RollBack, ScaleServing
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument

from .answers import events_of
from .calls import Calls
from .errors import ApiError

NOT_FOUND = 404


class ServingCalls(Calls):
    """Requests about servings; `ServingWaits` waits for what they lead to."""

    async def servings(self, namespace: str | None = None) -> list[ServingDocument]:
        """Servings of a namespace, or of all. Raises ApiError."""
        path = "/servings" if namespace is None else f"/namespaces/{quote(namespace, safe='')}/servings"
        return await self._list(path, ServingDocument, {})

    async def serving(self, name: str, namespace: str = "default") -> ServingDocument | None:
        """One serving, or None. Raises ApiError."""
        try:
            return await self._get(_path(namespace, name), ServingDocument)
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def apply(
        self, name: str, spec: ServingSpec, namespace: str = "default", *, replacing: ServingDocument | None = None
    ) -> ServingDocument:
        """Ask for a spec to be served; what comes back is the document as it will be.

        Args:
            name: the serving.
            spec: what to serve.
            namespace: where.
            replacing: what the spec was made from; the request is refused if it has changed since.

        Raises:
            ApiError: the spec is not valid, a model is not there, or someone else was first.
        """
        headers = {"If-Match": str(replacing.generation)} if replacing else {}
        body = {"spec": spec.model_dump(mode="json", exclude_none=True)}
        return await self._read(ServingDocument, "PUT", _path(namespace, name), json=body, headers=headers)

    async def deploy_version(self, name: str, change: DeployVersion, namespace: str = "default") -> ServingDocument:
        """Request that a model version be served, alone or beside others; the serving as it will be.

        Raises:
            ApiError: the version does not exist, its project refuses it, or the change does not fit the serving.
        """
        return await self._change("POST", f"{_path(namespace, name)}/deploy", change)

    async def change_traffic(self, name: str, change: ChangeTraffic, namespace: str = "default") -> ServingDocument:
        """Request another split of the requests; what is not set in the change stays. Raises ApiError."""
        return await self._change("PATCH", f"{_path(namespace, name)}/traffic", change)

    async def scale(self, name: str, change: ScaleServing, namespace: str = "default") -> ServingDocument:
        """Request another number of replicas. Raises ApiError."""
        return await self._change("PUT", f"{_path(namespace, name)}/scale", change)

    async def roll_back(
        self, name: str, namespace: str = "default", *, generation: int | None = None
    ) -> ServingDocument:
        """Request that an earlier revision be served again; the last one by default. Raises ApiError."""
        change = RollBack() if generation is None else RollBack(generation=generation)
        return await self._change("POST", f"{_path(namespace, name)}/rollback", change)

    async def delete(self, name: str, namespace: str = "default") -> None:
        """Ask for a serving to go. Raises ApiError with status 404 where there is none."""
        await self._read(ServingDocument, "DELETE", _path(namespace, name))

    async def serving_events(self, name: str, namespace: str = "default") -> list[Event[Any]]:
        """The newest events of a serving, oldest first. Raises ApiError."""
        path = f"{_path(namespace, name)}/events"
        return events_of(await self._call("GET", path), self._url(path))

    async def steer(self, name: str, action: RolloutAction, namespace: str = "default") -> ServingDocument:
        """Pause, resume, promote or abort a rollout. Raises ApiError with status 409 where none is under way."""
        path = f"{_path(namespace, name)}/rollout"
        return await self._read(ServingDocument, "POST", path, json={"action": action.value})

    async def serving_log(
        self, name: str, namespace: str = "default", *, variant: str | None = None, follow: bool = False
    ) -> AsyncGenerator[str, None]:
        """What the model servers of a serving have written; with `follow` also what they will.

        Raises:
            ApiError: there is no such serving.
            UnreachableError: the platform does not answer, or the log breaks off.
        """
        params = {"follow": "true" if follow else "false", **({"variant": variant} if variant else {})}
        async for line in self._http.lines(self._url(f"{_path(namespace, name)}/logs"), params):
            yield line

    async def _change(self, method: str, path: str, change: WireModel) -> ServingDocument:
        body = change.model_dump(mode="json", exclude_unset=True)
        return await self._read(ServingDocument, method, path, json=body)


def _path(namespace: str, name: str) -> str:
    return f"/namespaces/{quote(namespace, safe='')}/servings/{quote(name, safe='')}"
