"""The OpenAPI 3.1 document, generated from the operations. `task schemas` writes the checked-in copy."""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from klever_gateway.routes.common.operation import JSON, Failure, Operation, Success
from klever_gateway.routes.common.problems import MEDIA_TYPE, ProblemDetails, problem
from kleverproto.codes import INTERNAL

from .texts import FAILURES, PATH_PARAMETERS, REQUEST_HEADERS, RESPONSE_HEADERS, SECURITY_SCHEMES, TAGS

VERSION: Final = "0.1.0"
REF_TEMPLATE = "#/components/schemas/{model}"


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the document as JSON values."""
    lines = tuple(operations)
    paths: dict[str, dict[str, Any]] = {}
    for line in lines:
        paths.setdefault(line.path, {})[line.method.lower()] = _operation(line)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Klever",
            "version": VERSION,
            "description": "From a machine-learning model file to a production endpoint.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {"schemas": _schemas(lines), "securitySchemes": SECURITY_SCHEMES},
        "security": [{name: []} for name in SECURITY_SCHEMES],
    }


def text(operations: Iterable[Operation]) -> str:
    """Return the document as text, as it is served and checked in."""
    return json.dumps(document(operations), indent=2, ensure_ascii=False) + "\n"


def _schemas(lines: tuple[Operation, ...]) -> dict[str, Any]:
    sent = {line.success.model for line in lines if line.success.model} | {ProblemDetails}
    received = {line.body.model for line in lines if line.body}
    schemas = [(model, "serialization") for model in sorted(sent, key=_name)]
    schemas += [(model, "validation") for model in sorted(received, key=_name)]
    _, definitions = models_json_schema(schemas, ref_template=REF_TEMPLATE)  # type: ignore[arg-type] # literals
    return dict(sorted(definitions["$defs"].items()))


def _operation(line: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": line.id,
        "tags": [line.tag],
        "summary": line.summary,
        "parameters": [*_path_parameters(line.path), *_query_parameters(line.query), *_header_parameters(line)],
        "responses": {str(line.success.status): _success(line.success)},
    }
    if line.description:
        described["description"] = line.description
    if line.body:
        content = {JSON: {"schema": _reference(line.body.model), "example": dict(line.body.example)}}
        described["requestBody"] = {"required": True, "content": content}
    for failure in sorted({Failure.UNAUTHORIZED, *line.failures}):
        described["responses"][str(failure.value)] = _failure(failure)
    described["responses"]["default"] = _problem("Any other error.", 500, INTERNAL, "internal error of the gateway")
    return described


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_PARAMETERS[name][0],
            "schema": {"type": "string"},
            "example": PATH_PARAMETERS[name][1],
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(query: type[BaseModel] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    schema = query.model_json_schema(ref_template=REF_TEMPLATE)
    parameters = []
    for name, each in schema["properties"].items():
        inlined = _inlined(each, schema.get("$defs", {}))
        inlined.pop("title", None)
        description = inlined.pop("description", "")
        parameters.append({"name": name, "in": "query", "description": description, "schema": inlined})
    return parameters


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """Return the schema without references and without null: an optional parameter is omitted, never null."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return definitions[schema["$ref"].rsplit("/", 1)[1]] | {k: v for k, v in schema.items() if k != "$ref"}
    choices = [each for each in schema.get("anyOf", []) if each.get("type") != "null"]
    if len(choices) == 1:
        rest = {k: v for k, v in schema.items() if k not in {"anyOf", "default"}}
        return _inlined(choices[0], definitions) | rest
    return dict(schema)


def _header_parameters(line: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "header",
            "description": REQUEST_HEADERS[name][0],
            "schema": {"type": "string"},
            "example": REQUEST_HEADERS[name][1],
        }
        for name in line.headers
    ]


def _success(success: Success) -> dict[str, Any]:
    schema = _reference(success.model) if success.model else {}
    response: dict[str, Any] = {
        "description": success.description,
        "content": {success.media_type: {"schema": schema, "example": success.example}},
    }
    if success.headers:
        response["headers"] = {
            name: {"description": RESPONSE_HEADERS[name], "schema": {"type": "string"}} for name in success.headers
        }
    return response


def _failure(failure: Failure) -> dict[str, Any]:
    description, code, detail = FAILURES[failure]
    return _problem(description, failure.value, code, detail)


def _problem(description: str, status: int, code: str, detail: str) -> dict[str, Any]:
    example = problem(status, code, detail).model_dump(mode="json", exclude_none=True)
    content = {MEDIA_TYPE: {"schema": _reference(ProblemDetails), "example": example}}
    return {"description": description, "content": content}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REF_TEMPLATE.format(model=_name(model))}


def _name(model: type[BaseModel]) -> str:
    return model.__name__
