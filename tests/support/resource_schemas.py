"""Schemas of custom resources from their Go modules, and what an API server with strict validation checks by them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

Json = dict[str, Any]


def definitions(file: Path) -> dict[tuple[str, str], Json]:
    """(apiVersion, kind) to the schema of the spec of each custom resource that a YAML file defines."""
    return dict(_definitions(file))


def _definitions(file: Path) -> Iterator[tuple[tuple[str, str], Json]]:
    for document in yaml.safe_load_all(file.read_text()):
        if document and document["kind"] == "CustomResourceDefinition":
            spec = document["spec"]
            for version in spec["versions"]:
                schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
                yield (f"{spec['group']}/{version['name']}", spec["names"]["kind"]), strict(schema)


def strict(schema: Json) -> Json:
    """A schema that also refuses unknown fields, as an API server does with `fieldValidation=Strict`."""
    changed: Json = {name: strict(each) for name, each in schema.items() if name in ("items", "additionalProperties")}
    if "properties" in schema:
        changed["properties"] = {name: strict(each) for name, each in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            changed["additionalProperties"] = False
    return {**schema, **changed}


def validate(schemas: dict[tuple[str, str], Json], resource: Json) -> None:
    """Raises jsonschema.ValidationError."""
    schema = schemas[resource["apiVersion"], resource["kind"]]
    jsonschema.Draft4Validator(schema).validate(resource["spec"])
