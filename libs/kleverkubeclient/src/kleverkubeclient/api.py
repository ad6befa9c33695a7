"""Requests to the API server: server-side apply, reads, lists, watches, deletions and logs."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from kubernetes_asyncio.client import ApiClient

from kleverkube.labels import MANAGER
from kleverkube.manifest import Manifest

from .credentials import RenewableClient, authorize
from .denials import Denials
from .failures import (
    NOT_AUTHENTICATED,
    NOT_FOUND,
    ApiUnavailableError,
    DeniedError,
    MissingKindError,
    RefusedByClusterError,
    failure,
)
from .lines import lines_of
from .listings import Listing
from .requests import APPLY_PATCH, MERGE_PATCH, Request
from .resources import PODS, Resource, resource_of
from .streams import abort, event_of

PAGE = 500
"""Objects of one response to a list."""
SUCCESS = range(200, 300)


class KubernetesApi:
    """The requests that the services make; kubernetes_asyncio provides credentials and connections.

    Its generated methods read no newer fields and no strict validation, and its watch loses events when the first
    list is cut off, so requests are made by path.

    All methods raise ApiUnavailableError if the server does not respond, and RefusedByClusterError if it refuses.

    Args:
        client: configured for a cluster, not closed here; None until `use` provides one.
        refused: the error of a refusal, by which a service makes it one of its own errors.
    """

    def __init__(
        self, client: ApiClient | None = None, *, refused: type[RefusedByClusterError] = RefusedByClusterError
    ) -> None:
        self._client = client
        self._refused = refused
        self.denials = Denials()
        """Requests that the service's account may not make."""

    def use(self, client: ApiClient | None) -> None:
        """Make all requests by this client."""
        self._client = client

    async def apply(
        self, manifest: Manifest, *, manager: str = MANAGER, force: bool = True, subresource: str = ""
    ) -> Manifest:
        """Apply an object on the server, with strict validation of its fields; the object as it is stored.

        Args:
            manifest: all fields that the manager determines; fields that it determined before are removed.
            manager: field manager.
            force: whether to take fields from other managers; else RefusedByClusterError or ApiUnavailableError.
            subresource: the part of the object to apply, such as `status`.
        """
        metadata = manifest["metadata"]
        path = resource_of(manifest).path(metadata["namespace"], metadata["name"], subresource)
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
        return await self._json(Request("PATCH", path, query, manifest, APPLY_PATCH))

    async def create(self, manifest: Manifest, *, manager: str) -> Manifest:
        """Create an object, with strict validation of its fields; the object as it is stored.

        Args:
            manifest: the object.
            manager: field manager, another one than that of `apply`, which could remove none of these fields.

        Raises:
            ConflictError: it exists.
        """
        path = resource_of(manifest).path(manifest["metadata"]["namespace"])
        query = {"fieldManager": manager, "fieldValidation": "Strict"}
        return await self._json(Request("POST", path, query, manifest))

    async def merge(self, resource: Resource, namespace: str, name: str, patch: Manifest) -> Manifest | None:
        """Change fields of an object by a JSON merge patch; None if it does not exist.

        Args:
            resource: its kind.
            namespace: namespace of the object.
            name: name of the object.
            patch: the fields; with `metadata.resourceVersion`, ApiUnavailableError if the object has changed since.
        """
        try:
            path = resource.path(namespace, name)
            return await self._json(Request("PATCH", path, body=patch, content_type=MERGE_PATCH))
        except RefusedByClusterError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def read(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Read one object; None if it does not exist."""
        try:
            return await self._json(Request("GET", resource.path(namespace, name)))
        except MissingKindError:
            return None
        except RefusedByClusterError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def list(
        self,
        resource: Resource,
        selector: str,
        namespace: str | None = None,
        *,
        fields: str = "",
        is_optional: bool = False,
    ) -> Listing:
        """List the objects with these labels and fields, in all namespaces by default.

        Args:
            resource: the kind of objects.
            selector: their labels.
            namespace: of the objects; all namespaces if None.
            fields: field selector.
            is_optional: whether `denials` leave out that the service may not list them.
        """
        items: list[Manifest] = []
        query = {"labelSelector": selector, "fieldSelector": fields, "limit": str(PAGE)}
        while True:
            page = await self._json(Request("GET", resource.path(namespace), query, is_optional=is_optional))
            items += page["items"]
            metadata = page["metadata"]
            if not metadata.get("continue"):
                return Listing(items, metadata["resourceVersion"])
            query["continue"] = metadata["continue"]

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, owned_first: bool = False, uid: str | None = None
    ) -> None:
        """Delete an object. No effect if it does not exist.

        Args:
            resource: its kind.
            namespace: namespace of the object.
            name: name of the object.
            owned_first: whether the object stays until the objects that it owns are deleted.
            uid: uid of the object, if another one with the same name must not be deleted.
        """
        policy = "Foreground" if owned_first else "Background"
        options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            await self._json(Request("DELETE", resource.path(namespace, name), body=options))
        except MissingKindError:
            return
        except RefusedByClusterError as error:
            if error.status != NOT_FOUND:
                raise

    async def watch(
        self,
        resource: Resource,
        selector: str,
        version: str,
        *,
        seconds: int,
        silence: float,
        namespace: str | None = None,
    ) -> AsyncGenerator[Manifest, None]:
        """Yield the events after a version: `type` and `object`; bookmarks as well.

        Args:
            resource: the kind of objects.
            selector: their labels.
            version: from a listing or an event.
            seconds: after which the server ends the watch.
            silence: seconds without a byte after which the connection is treated as lost.
            namespace: namespace of the objects; all namespaces if None.

        Raises:
            ExpiredError: the version is too old.
        """
        query = {
            "watch": "true",
            "labelSelector": selector,
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        async with self._response(Request("GET", resource.path(namespace), query, silence=silence)) as response:
            async for line in lines_of(response.content):
                yield event_of(line, f"watch {resource.plural}")

    async def log_lines(
        self, namespace: str, pod: str, container: str, *, since: str | None, silence: float
    ) -> AsyncGenerator[bytes, None]:
        """Yield the lines of a container, each with its time, until it exits.

        Args:
            namespace: namespace of the pod.
            pod: its name.
            container: its name in the pod.
            since: RFC 3339; from the beginning if None.
            silence: seconds without a line after which the connection is treated as lost.
        """
        query = {"container": container, "follow": "true", "timestamps": "true"} | (
            {"sinceTime": since} if since else {}
        )
        path = PODS.path(namespace, pod, "log")
        async with self._response(Request("GET", path, query, silence=silence)) as response:
            async for line in lines_of(response.content):
                yield line

    async def _json(self, request: Request) -> Manifest:
        async with self._response(request) as response:
            try:
                document: Manifest = json.loads(await response.read())
            except ValueError as error:
                raise ApiUnavailableError(f"{request}: the response is not JSON") from error
            return document

    @asynccontextmanager
    async def _response(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """A response with a good status."""
        try:
            response = await self._send(request)
            async with response:
                if response.status not in SUCCESS:
                    raise await self._failure(response, request)
                self.denials.forget(str(request))
                try:
                    yield response
                finally:
                    if request.silence is not None:
                        abort(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ApiUnavailableError(f"{request}: the API server does not respond ({_cause(error)})") from error

    async def _failure(
        self, response: aiohttp.ClientResponse, request: Request
    ) -> ApiUnavailableError | RefusedByClusterError:
        """The error for a response. Expired credentials are read again, for the next request."""
        text = await response.text(errors="replace")
        error = failure(response.status, text, str(request), response.headers.get("Retry-After"), self._refused)
        if isinstance(error, DeniedError) and not request.is_optional:
            self.denials.note(str(request), str(error))
        if response.status == NOT_AUTHENTICATED and isinstance(self._client, RenewableClient):
            await self._client.renew()
        return error

    async def _send(self, request: Request) -> aiohttp.ClientResponse:
        if self._client is None:
            raise ApiUnavailableError("this service is not connected to a cluster")
        headers = request.headers
        await authorize(self._client, headers)
        response: aiohttp.ClientResponse = await self._client.rest_client.request(
            request.method,
            f"{self._client.configuration.host}{request.path}",
            query_params=dict(request.query),
            headers=headers,
            body=request.body,
            _preload_content=False,
            _request_timeout=request.limits,
        )
        return response


def _cause(error: Exception) -> str:
    return str(error) or type(error).__name__
