"""The common operations of the SDK: deploy a version, send it requests, and undeploy it."""

from collections.abc import Mapping
from typing import Any

from kleverproto.references import ModelRef
from kleverproto.serving_changes import DeployVersion
from kleverproto.servings import ServingDocument

from . import infer_bodies, tensors
from .answers import Inference, ModelMetadata, parse_response
from .errors import ApiError, InputError
from .serving_bodies import checked_change
from .serving_waits import ServingWaits
from .transport import SERVER_ERROR


class ServingVerbs(ServingWaits):
    """Common operations on servings; `ServingCalls` has the requests behind them."""

    async def deploy(
        self,
        ref: ModelRef | str,
        name: str,
        namespace: str = "default",
        *,
        traffic: int | None = None,
        within: float = 900.0,
    ) -> ServingDocument:
        """Serve a version, and wait until it is ready.

        Args:
            ref: the version, `project/model:version`.
            name: the serving, which is created if it does not exist.
            namespace: of the serving.
            traffic: traffic of this version in percent; other versions share the rest. By default, this version
                replaces all others.
            within: timeout in seconds.

        Raises:
            ApiError: the model does not exist, its project rejects it, or no other variant would get the rest of the
                traffic.
            FailedError: the version cannot be served; the previous versions are still served.
            InputError: the traffic is not 1 to 100 percent.
            InvalidReferenceError: the text does not name a version.
        """
        share = {} if traffic is None else {"traffic": traffic}
        change = checked_change(DeployVersion, {"model": str(ModelRef.coerce(ref)), **share})
        wanted = await self.deploy_version(name, change, namespace)
        return await self.wait_for_ready(name, wanted.generation, namespace, within=within)

    async def undeploy(self, name: str, namespace: str = "default", *, within: float = 60.0) -> None:
        """Delete a serving, and wait until its processes have stopped. Raises ApiError, FailedError."""
        await self.delete(name, namespace)
        await self.wait_for_deleted(name, namespace, within=within)

    async def predict(
        self,
        name: str,
        values: Mapping[str, Any],
        namespace: str = "default",
        *,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Send values to a served model through the ingress.

        Args:
            name: the serving.
            values: input name to nested lists or NumPy arrays; see `tensors.infer_request` for other values.
            namespace: of the serving.
            headers: HTTP headers, for header rules.

        Raises:
            InputError: the serving does not exist, or the values do not fit the model.
            ApiError: the model server rejects the request.
        """
        serving = await self.serving(name, namespace)
        if serving is None or serving.status.url is None:
            raise InputError(f"serving {name} not found. Create it with `klever deploy <model> --name {name}`")
        return await self.predict_at(serving.status.url, values, headers=headers)

    async def predict_at(
        self, url: str, values: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Like `predict`, with the serving's infer URL (`status.url`), which saves a request to the gateway."""
        sent = dict(headers or {})
        metadata = await self._http.json("GET", url.removesuffix("/infer"), headers=sent)
        parse_response(ModelMetadata, metadata, url)
        answer = await self.infer(url, tensors.infer_request(values, metadata), headers=sent)
        parse_response(Inference, answer, url)
        return answer

    async def infer(
        self, url: str, request: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send a V2 request; inputs with NaN or infinities are raw tensors, since JSON supports neither.

        The response is not validated: a custom server may use another protocol.

        Raises:
            InputError: a value cannot be represented.
            ApiError: the model server rejects the request.
        """
        body, described = infer_bodies.encoded(request)
        try:
            answer: dict[str, Any] = await self._http.json(
                "POST", url, data=body, headers={**(headers or {}), **described}
            )
        except ApiError as error:
            if infer_bodies.HEADER not in described or error.status >= SERVER_ERROR:
                raise
            raise InputError(
                f"{error}; inputs with NaN or infinity go as raw tensors, which kleverserve and Triton take and "
                "MLServer does not"
            ) from error
        return answer
