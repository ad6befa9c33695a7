"""ormbfile.yaml: the author's metadata of a model. Field names follow ormb's spec v1alpha1."""

from contextlib import suppress
from datetime import datetime
from typing import Any, Self, TypedDict, Unpack

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from kleverproto.mistakes import describe_mistakes
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
        coerce_numbers_to_str=True,  # values of metrics are text, but most people write numbers such as 0.97
    )

    @model_validator(mode="before")
    @classmethod
    def _keys_in_any_case(cls, data: Any) -> Any:
        """Convert keys to the known case.

        Files for the Go ormb have `dtype` as well as `dType`; it drops unknown keys.
        """
        if not isinstance(data, dict):
            return data
        aliases = {(field.alias or name).lower(): field.alias for name, field in cls.model_fields.items()}
        names = {*cls.model_fields, *aliases.values()}
        return {key if key in names else aliases.get(str(key).lower(), key): value for key, value in data.items()}


class Tensor(_Part):
    """A declared input or output."""

    name: str
    size: tuple[int, ...] | None = None
    d_type: str | None = None
    op_type: str | None = None
    values: tuple[str, ...] = ()
    description: str | None = None


class Signature(_Part):
    """The declared inputs and outputs."""

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
    """The origin of training code or data."""

    git: GitRepo | None = None


class ModelFileChanges(TypedDict, total=False):
    """The fields that `ModelFile.replace` can change."""

    format: str | None
    directory_structure: tuple[str, ...]
    size: int | None


class ModelFile(_Part):
    """The content of the file. Only `format` is needed; if it is missing, it is detected."""

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
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)


_KEYS = {key.lower() for name, field in ModelFile.model_fields.items() for key in (name, field.alias or name)}


def load_modelfile(text: str, *, source: str = FILE_NAME) -> ModelFile:
    """Parse the YAML of an ormbfile.

    Args:
        text: the YAML.
        source: its name in errors.

    Raises:
        InvalidModelFileError: it is not YAML, has an unknown key, or a value of the wrong kind. The message lists all
            problems.
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
        raise InvalidModelFileError(f"{source}: {describe_mistakes(error, ModelFile)}") from error


def lenient_modelfile(data: dict[str, Any]) -> ModelFile:
    """Parse metadata from another tool or an older version. Fields that are invalid are dropped."""
    values = {key.lower(): value for key, value in data.items()}
    fields: dict[str, Any] = {}
    for key in _KEYS & values.keys():
        with suppress(ValidationError):  # each key separately, so that the time is linear even if all keys are invalid
            part = ModelFile.model_validate({key: values[key]})
            fields |= {name: getattr(part, name) for name in part.model_fields_set}
    return ModelFile.model_construct(**fields)


def dump_modelfile(modelfile: ModelFile) -> str:
    """Return the YAML of an ormbfile. Unset fields are omitted."""
    data = modelfile.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def to_metadata(modelfile: ModelFile) -> ModelMetadata:
    """Return the part that the catalogue stores."""
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
