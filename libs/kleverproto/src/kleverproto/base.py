"""Base classes of all values that cross a process boundary."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class WireModel(BaseModel):
    """An immutable value with camelCase JSON names, as in Kubernetes documents.

    Unknown keys are ignored when reading, so that a newer producer does not break an older consumer.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )


class StrictWireModel(WireModel):
    """A value that people write by hand. An unknown key is an error, because it is probably misspelled."""

    model_config = ConfigDict(extra="forbid")
