"""The HTTP routes: Open Inference Protocol (V2) REST paths for one model, and `/metrics`."""

from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from . import __version__
from .batching import Batcher, Results, run
from .bodies import read_body
from .decoding import JSON, OCTETS, check_content_type
from .errors import InvalidRequestError, NotFoundError
from .lane import INLINE_BYTES, Lane
from .lifecycle import Lifecycle
from .metrics import Metrics
from .model import Model
from .protocol import Answer, InferRequest, encode_response, model_metadata, parse_request

BINARY_HEADER = "Inference-Header-Content-Length"
EXTENSIONS = ["binary_tensor_data"]


def json_response(document: dict[str, Any], *, status: int = 200) -> web.Response:
    """Return a JSON response."""
    return web.Response(body=orjson.dumps(document), status=status, content_type=JSON)


class Routes:
    """The handlers for the model `name` in version `version`."""

    def __init__(
        self, model: Model, *, name: str, version: str, lane: Lane, batcher: Batcher, lifecycle: Lifecycle
    ) -> None:
        self._model = model
        self._name = name
        self._version = version
        self._lane = lane
        self._batcher = batcher
        self._lifecycle = lifecycle

    def table(self, metrics: Metrics) -> list[web.RouteDef]:
        """Return the routes of an application."""
        return [
            web.get("/v2", self.server_metadata),
            web.get("/v2/health/live", self.live),
            web.get("/v2/health/ready", self.ready),
            web.get("/metrics", _metrics_handler(metrics.text)),
            *self._model_routes("/v2/models/{model}"),
            *self._model_routes("/v2/models/{model}/versions/{version}"),
        ]

    def _model_routes(self, base: str) -> list[web.RouteDef]:
        return [
            web.post(f"{base}/infer", self.infer),
            web.get(f"{base}/ready", self.model_ready),
            web.get(base, self.model),
        ]

    async def server_metadata(self, _request: web.Request) -> web.Response:
        """GET /v2: name and extensions of this server."""
        return json_response({"name": "kleverserve", "version": __version__, "extensions": EXTENSIONS})

    async def live(self, _request: web.Request) -> web.Response:
        """GET /v2/health/live: 200 while the process responds."""
        return json_response({"live": True})

    async def ready(self, _request: web.Request) -> web.Response:
        """GET /v2/health/ready: 200 while new requests are accepted, 503 while draining."""
        ready = self._lifecycle.ready
        return json_response({"ready": ready}, status=200 if ready else 503)

    async def model(self, request: web.Request) -> web.Response:
        """GET the model's metadata."""
        self._check_model(request)
        return json_response(model_metadata(self._model, name=self._name, version=self._version))

    async def model_ready(self, request: web.Request) -> web.Response:
        """GET the readiness of the model, which is that of the server."""
        self._check_model(request)
        ready = self._lifecycle.ready
        return json_response({"name": self._name, "ready": ready}, status=200 if ready else 503)

    async def infer(self, request: web.Request) -> web.Response:
        """POST an inference request."""
        self._check_model(request)
        check_content_type(request.headers.get("Content-Type"))
        header_length, body = _header_length(request), await read_body(request)
        if self._batcher.is_on and len(body) <= INLINE_BYTES:
            parsed = parse_request(body, self._model, header_length)
            return _answer(self._encoded(parsed, await self._batcher.predict(parsed)))
        return _answer(await self._lane.run(lambda: self._infer(body, header_length), size=len(body)))

    def _infer(self, body: bytes, header_length: int | None) -> Answer:
        request = parse_request(body, self._model, header_length)
        return self._encoded(request, run(self._model, request))

    def _encoded(self, request: InferRequest, results: Results) -> Answer:
        return encode_response(request, results, model_name=self._name, model_version=self._version)

    def _check_model(self, request: web.Request) -> None:
        name = request.match_info["model"]
        if name != self._name:
            raise NotFoundError(f"model '{name:.80}' not found; this server has '{self._name}'")
        wanted = request.match_info.get("version", self._version)
        if wanted != self._version:
            raise NotFoundError(
                f"version '{wanted:.80}' of model '{name}' not found; this server has '{self._version}'"
            )


def _metrics_handler(text: Callable[[], bytes]) -> Callable[[web.Request], Any]:
    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return metrics


def _header_length(request: web.Request) -> int | None:
    """Return the number of bytes of JSON before raw tensors; None if there are none."""
    text = request.headers.get(BINARY_HEADER)
    if text is None:
        return None
    if not text.isdecimal():
        raise InvalidRequestError(f"{BINARY_HEADER} is {text!r:.40}, but must be a number of bytes")
    return int(text)


def _answer(answer: Answer) -> web.Response:
    if answer.header_length is None:
        return web.Response(body=answer.body, content_type=JSON)
    headers = {BINARY_HEADER: str(answer.header_length)}
    return web.Response(body=answer.body, content_type=OCTETS, headers=headers)
