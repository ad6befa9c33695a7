"""The OpenAPI document describes every route that the gateway serves, and it is valid."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiohttp import web

from klever_gateway.app import build
from klever_gateway.routes.openapi import document as openapi
from klever_gateway.routes.operations import OPERATIONS as TABLE
from klever_gateway.settings import GatewaySettings

SIGNPOSTS = {"/v2", "/v2/{path}"}
"""Paths that point a client of the registry to the right port."""
PAGES = {*SIGNPOSTS, "/", "/docs", "/docs/assets", "/login", "/healthz", "/readyz", "/metrics"}
DOCUMENT = openapi.document(TABLE)
OPERATIONS = [
    pytest.param(path, method, operation, id=operation["operationId"])
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def check(example: Any, schema: Any) -> None:
    whole = schema | {"components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(whole).validate(example)


def test_every_route_of_the_application_is_in_the_document(tmp_path: Path) -> None:
    application = build(GatewaySettings(data_dir=tmp_path, open=True)).web
    routes = {
        (route.resource.canonical, route.method.lower())
        for route in application.router.routes()
        if isinstance(route, web.ResourceRoute) and route.resource is not None
    }
    served = {(path, method) for path, method in routes if path not in PAGES and method != "head"}
    assert served == {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}


def test_every_reference_resolves_and_operation_ids_are_unique() -> None:
    names = {reference.removeprefix("#/components/schemas/") for reference in references(DOCUMENT)}
    assert names <= set(DOCUMENT["components"]["schemas"])
    ids = [operation.values[2]["operationId"] for operation in OPERATIONS]  # type: ignore[index] # a dict
    assert len(set(ids)) == len(ids)


def test_every_schema_is_json_schema_2020_12() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_every_operation_is_described_with_valid_examples(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert "default" in operation["responses"]
    is_action = path.endswith(("/cancel", "/retry", "/login-links"))  # the path names the action
    assert (method in {"post", "put", "patch"} and not is_action) == ("requestBody" in operation)
    for parameter in operation["parameters"]:
        assert parameter["description"], (path, parameter["name"])
    bodies = [*operation["responses"].values()]
    bodies += [operation["requestBody"]] if "requestBody" in operation else []
    for body in bodies:
        for content in body["content"].values():
            check(content["example"], content["schema"])


def test_the_document_is_json_without_loss() -> None:
    assert json.loads(openapi.text(TABLE)) == DOCUMENT
