"""ormbfile.yaml: what the author says of a model. Field names follow ormb's spec v1alpha1."""

from contextlib import suppress
from datetime import datetime
from typing import Any, Self, TypedDict, Unpack

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from kleverproto.mistakes import worded
from kleverproto.models import ModelMetadata
from kleverproto.signatures import Signature as FoundSignature
from kleverproto.signatures import Tensor as FoundTensor
from modelformats.bounded_yaml import load_yaml

from .errors import InvalidModelFileError

FILE_NAME = "ormbfile.yaml"


class _Part(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
        extra="forbid",
        frozen=True,
        coerce_numbers_to_str=True,  # a metric's value is text, and everyone writes 0.97
    )

    @model_validator(mode="before")
    @classmethod
    def _keys_in_any_case(cls, data: Any) -> Any:
        """Files for the Go ormb have `dtype` as well as `dType`; it lets pass, and forgets, what it does not know."""
        if not isinstance(data, dict):
            return data
        aliases = {(field.alias or name).lower(): field.alias for name, field in cls.model_fields.items()}
        names = {*cls.model_fields, *aliases.values()}
        return {key if key in names else aliases.get(str(key).lower(), key): value for key, value in data.items()}


class Tensor(_Part):
    """An input or output, as the author declares it."""

    name: str
    size: tuple[int, ...] | None = None
    d_type: str | None = None
    op_type: str | None = None
    values: tuple[str, ...] = ()
    description: str | None = None


class Signature(_Part):
    """What goes in and out, as the author declares it."""

    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    layers: dict[str, int] = Field(default_factory=dict)


class NamedValue(_Part):
    """A metric or hyperparameter."""

    name: str
    value: str


class GitRepo(_Part):
    """A revision of a repository."""

    repository: str | None = None
    revision: str | None = None
    description: str | None = None


class GitSource(_Part):
    """Where training code or data come from."""

    git: GitRepo | None = None


class ModelFileChanges(TypedDict, total=False):
    """The fields that `ModelFile.replace` may change."""

    format: str | None
    directory_structure: tuple[str, ...]
    size: int | None


class ModelFile(_Part):
    """The whole file. `format` is all that is needed; where it is absent it is detected."""

    author: str | None = None
    created: datetime | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    format: str | None = None
    gpu_type: str | None = None
    framework: str | None = None
    metrics: dict[str, tuple[NamedValue, ...]] = Field(default_factory=dict)
    hyper_parameters: tuple[NamedValue, ...] = ()
    signature: Signature | None = None
    training: GitSource | None = None
    dataset: GitSource | None = None
    directory_structure: tuple[str, ...] = ()
    size: int | None = None

    def replace(self, **changes: Unpack[ModelFileChanges]) -> Self:
        """The same ormbfile with other values for some fields."""
        return self.model_copy(update=changes)


_KEYS = {key.lower() for name, field in ModelFile.model_fields.items() for key in (name, field.alias or name)}


def load_modelfile(text: str, *, source: str = FILE_NAME) -> ModelFile:
    """Read the YAML of an ormbfile.

    Args:
        text: the YAML.
        source: what to call it in errors.

    Raises:
        InvalidModelFileError: not YAML, an unknown key, a value of the wrong kind; every problem at once.
    """
    try:
        data = load_yaml(text)
    except ValueError as error:
        raise InvalidModelFileError(f"{source} is not YAML that can be read: {error}") from error
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise InvalidModelFileError(f"{source} must hold keys such as `format: ONNX`, not a {type(data).__name__}")
    try:
        return ModelFile.model_validate(data)
    except ValidationError as error:
        raise InvalidModelFileError(f"{source}: {worded(error, ModelFile)}") from error


def lenient_modelfile(data: dict[str, Any]) -> ModelFile:
    """What can be kept of metadata that another tool, or an older version, has written; the rest is left out."""
    values = {key.lower(): value for key, value in data.items()}
    fields: dict[str, Any] = {}
    for key in _KEYS & values.keys():
        with suppress(ValidationError):  # each key by itself, so that the time is linear, whatever is wrong
            part = ModelFile.model_validate({key: values[key]})
            fields |= {name: getattr(part, name) for name in part.model_fields_set}
    return ModelFile.model_construct(**fields)


def dump_modelfile(modelfile: ModelFile) -> str:
    """The YAML of an ormbfile, with only what was said."""
    data = modelfile.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def to_metadata(modelfile: ModelFile) -> ModelMetadata:
    """The part that the catalogue keeps."""
    return ModelMetadata(
        format=modelfile.format,
        framework=modelfile.framework,
        author=modelfile.author,
        description=modelfile.description,
        tags=modelfile.tags,
        labels=modelfile.labels,
        metrics={
            stage: {metric.name: metric.value for metric in metrics} for stage, metrics in modelfile.metrics.items()
        },
        hyper_parameters={parameter.name: parameter.value for parameter in modelfile.hyper_parameters},
        declared_signature=_declared(modelfile.signature) if modelfile.signature else None,
    )


def _declared(signature: Signature) -> FoundSignature:
    return FoundSignature(
        inputs=tuple(_tensor(tensor) for tensor in signature.inputs),
        outputs=tuple(_tensor(tensor) for tensor in signature.outputs),
        operators=signature.layers,
    )


def _tensor(tensor: Tensor) -> FoundTensor:
    return FoundTensor(
        name=tensor.name, dtype=tensor.d_type, shape=tensor.size, op_type=tensor.op_type, values=tensor.values
    )
