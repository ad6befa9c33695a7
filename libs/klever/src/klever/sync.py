"""The SDK without async, for notebooks and scripts: each call opens and closes its own connections."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from kleverproto.jobs import JobDocument
from kleverproto.models import ModelDocument
from kleverproto.references import ModelRef
from kleverproto.servings import ServingDocument

from .calls import DEFAULT_SERVER
from .client import KleverClient
from .errors import InputError
from .rollouts import base_of, with_model

ResultT = TypeVar("ResultT")


class Klever:
    """A platform; every method raises what the method of the same name of `KleverClient` raises.

    Args:
        server: URL of the gateway.
    """

    def __init__(self, server: str = DEFAULT_SERVER) -> None:
        self._server = server

    def models(self, **filters: str) -> list[ModelDocument]:
        """All model versions."""
        return self._run(lambda client: client.models(**filters))

    def model(self, ref: str) -> ModelDocument:
        """One model version, `project/model:version`."""
        return self._run(lambda client: client.model(ModelRef.parse(ref)))

    def delete_model(self, ref: str) -> None:
        """Delete a version, `project/model:version`, and wait until it is gone."""

        async def work(client: KleverClient) -> None:
            await client.wait_for_model_deleted(await client.delete_model(ModelRef.parse(ref)))

        self._run(work)

    def jobs(self, namespace: str = "default") -> list[JobDocument]:
        """Jobs of a namespace."""
        return self._run(lambda client: client.jobs(namespace))

    def servings(self, namespace: str | None = None) -> list[ServingDocument]:
        """Servings of a namespace, or of all."""
        return self._run(lambda client: client.servings(namespace))

    def wait_for_signature(self, ref: str, *, within: float = 60.0) -> ModelDocument:
        """The version, once the platform has parsed it."""
        return self._run(lambda client: client.wait_for_signature(ModelRef.parse(ref), within=within))

    def deploy(self, ref: str, name: str, *, namespace: str = "default", traffic: int | None = None) -> ServingDocument:
        """Serve a version, or give it a share of a serving's traffic, and wait until it is ready; see `with_model`."""

        async def work(client: KleverClient) -> ServingDocument:
            present = await client.serving(name, namespace)
            spec = with_model(base_of(present), ModelRef.parse(ref), traffic)
            wanted = await client.apply(name, spec, namespace, replacing=present)
            return await client.wait_for_ready(name, wanted.generation, namespace)

        return self._run(work)

    def undeploy(self, name: str, *, namespace: str = "default") -> None:
        """Stop serving, and wait until nothing is left."""

        async def work(client: KleverClient) -> None:
            await client.delete(name, namespace)
            await client.wait_for_deleted(name, namespace)

        self._run(work)

    def predict(self, name: str, values: Mapping[str, Any], *, namespace: str = "default") -> dict[str, Any]:
        """Ask a served model through the ingress. Raises InputError too where nothing is served under the name."""

        async def work(client: KleverClient) -> dict[str, Any]:
            serving = await client.serving(name, namespace)
            if serving is None or serving.status.url is None:
                raise InputError(f"nothing is served as {name}: deploy a model version under this name first")
            return await client.predict(serving.status.url, values)

        return self._run(work)

    def _run(self, work: Callable[[KleverClient], Awaitable[ResultT]]) -> ResultT:
        async def main() -> ResultT:
            async with KleverClient(self._server) as client:
                return await work(client)

        return asyncio.run(main())
