"""JSON Schemas of documents as structural schemas of custom resources."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, StringConstraints

from kleverkube.crds.definitions import DEFINITIONS, Definition, custom_resource_definition
from kleverkube.crds.structural import structural
from kleverproto.base import StrictWireModel

FORBIDDEN = ("$ref", "$defs", "anyOf", "oneOf", "title", "default", "patternProperties", "propertyNames", "const")
"""Keywords that a structural schema does not have, or that the resources must not have."""


class Cat(StrictWireModel):
    type: Literal["cat"] = "cat"
    lives: Annotated[int, Field(gt=0)] = 9


class Dog(StrictWireModel):
    type: Literal["dog"] = "dog"
    name: str


class House(StrictWireModel):
    """A house."""

    pet: Annotated[Cat | Dog, Field(discriminator="type")] = Cat()
    rooms: dict[Annotated[str, StringConstraints(pattern="^[a-z]+$")], Dog] = Field(default_factory=dict)
    owner: Dog | None = None
    anything: dict[str, Any] = Field(default_factory=dict)
    value: int | str | float = 0


def field(name: str) -> Any:
    return structural(House.model_json_schema(by_alias=True))["properties"][name]


def parts(schema: Any) -> list[dict[str, Any]]:
    """Every schema inside of a schema."""
    if isinstance(schema, list):
        return [part for each in schema for part in parts(each)]
    if not isinstance(schema, dict):
        return []
    return [schema, *(part for each in schema.values() for part in parts(each))]


def test_union_of_models_has_the_fields_of_all_and_requires_its_discriminator() -> None:
    pet = field("pet")
    assert pet["required"] == ["type"]
    assert pet["properties"]["type"]["enum"] == ["cat", "dog"]
    assert pet["properties"]["lives"] == {"type": "integer", "minimum": 0, "exclusiveMinimum": True}
    assert pet["properties"]["name"] == {"type": "string"}


def test_values_of_a_dictionary_whose_keys_have_a_pattern_are_kept() -> None:
    assert field("rooms")["additionalProperties"]["properties"]["name"] == {"type": "string"}


def test_optional_field_accepts_null() -> None:
    assert (field("owner")["type"], field("owner")["nullable"]) == ("object", True)


@pytest.mark.parametrize("name", ["anything", "value"])
def test_field_without_a_single_type_accepts_any_value(name: str) -> None:
    assert field(name)["x-kubernetes-preserve-unknown-fields"] is True


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda each: each.kind)
def test_resources_have_structural_schemas_and_no_defaults(definition: Definition) -> None:
    (version,) = custom_resource_definition(definition)["spec"]["versions"]
    keywords = {keyword for part in parts(version["schema"]) for keyword in part if keyword in FORBIDDEN}
    assert not keywords


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda each: each.kind)
def test_every_field_of_a_document_is_a_field_of_its_resource(definition: Definition) -> None:
    (version,) = custom_resource_definition(definition)["spec"]["versions"]
    fields = version["schema"]["openAPIV3Schema"]["properties"]
    for name, model in (("spec", definition.spec), ("status", definition.status)):
        assert set(fields[name]["properties"]) == {each.alias for each in model.model_fields.values()}
