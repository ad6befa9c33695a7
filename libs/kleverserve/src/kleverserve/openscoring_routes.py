"""OpenScoring's REST API for PMML models, for clients that do not support V2."""

from typing import Any

import orjson
from aiohttp import web

from .bodies import read_body
from .errors import ApiError, InvalidRequestError, NotFoundError
from .lane import Lane
from .model import Model
from .openscoring import inputs_of, read_csv, results_of, schema, write_csv

PMML_PLATFORMS = frozenset({"pmml4s_pmml"})
BASE = "/openscoring/model"


class OpenScoring:
    """The handlers for the model `name`."""

    def __init__(self, model: Model, *, name: str, lane: Lane) -> None:
        self._model = model
        self._name = name
        self._lane = lane

    def table(self) -> list[web.RouteDef]:
        """Return the routes of an application."""
        return [
            web.get(BASE, _answered(self.models)),
            web.get(f"{BASE}/{{id}}", _answered(self.one)),
            web.post(f"{BASE}/{{id}}", _answered(self.evaluate)),
            web.post(f"{BASE}/{{id}}/batch", _answered(self.batch)),
            web.post(f"{BASE}/{{id}}/csv", _answered(self.csv)),
        ]

    async def models(self, _request: web.Request) -> web.Response:
        """GET the list of models."""
        return _json({"models": [self._description()]})

    async def one(self, request: web.Request) -> web.Response:
        """GET the model's fields."""
        self._check(request)
        return _json(self._description())

    async def evaluate(self, request: web.Request) -> web.Response:
        """POST an evaluation request."""
        self._check(request)
        question = _object(await _document(request), "the request")
        (results,) = await self._scored([_arguments(question)])
        return _json(_response(question, results))

    async def batch(self, request: web.Request) -> web.Response:
        """POST several evaluation requests."""
        self._check(request)
        document = _object(await _document(request), "the request")
        requests = document.get("requests")
        if not isinstance(requests, list):
            raise InvalidRequestError("'requests' must be an array of evaluation requests")
        questions = [_object(each, f"requests[{number}]") for number, each in enumerate(requests)]
        results = await self._scored([_arguments(each) for each in questions])
        responses = [_response(each, result) for each, result in zip(questions, results, strict=True)]
        return _json({**_id(document), "responses": responses})

    async def csv(self, request: web.Request) -> web.Response:
        """POST a table with a header; the response is a table as well."""
        self._check(request)
        rows, ids = read_csv(_text(await read_body(request)), self._model)
        return web.Response(text=write_csv(await self._scored(rows), ids), content_type="text/csv")

    async def _scored(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        def score() -> list[dict[str, Any]]:
            outputs = self._model.predict(inputs_of(rows, self._model), [spec.name for spec in self._model.outputs])
            return results_of(outputs, self._model, len(rows))

        return await self._lane.run(score, size=len(rows) * 1024) if rows else []

    def _description(self) -> dict[str, Any]:
        return {"id": self._name, "schema": schema(self._model)}

    def _check(self, request: web.Request) -> None:
        if (name := request.match_info["id"]) != self._name:
            raise NotFoundError(f"model '{name:.80}' not found; this server has '{self._name}'")


def _answered(handler: Any) -> Any:
    """Convert errors to the form of OpenScoring."""

    async def answer(request: web.Request) -> web.Response:
        try:
            response: web.Response = await handler(request)
        except ApiError as error:
            refused = _json({"message": str(error)}, status=error.status)
            refused.headers.update(error.headers)
            return refused
        return response

    return answer


async def _document(request: web.Request) -> Any:
    try:
        return orjson.loads(await read_body(request))
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(f"the body is not valid JSON: {error}") from error


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequestError("the table is not UTF-8 text") from error


def _arguments(question: dict[str, Any]) -> dict[str, Any]:
    return _object(question.get("arguments", {}), "'arguments'")


def _response(question: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
    return {**_id(question), "results": results}


def _id(document: dict[str, Any]) -> dict[str, Any]:
    return {"id": document["id"]} if "id" in document else {}


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{what} must be a JSON object")
    return value


def _json(document: dict[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")
