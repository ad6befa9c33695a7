"""Bodies of requests for jobs."""

from typing import Self

from pydantic import field_validator, model_validator

from kleverproto.base import StrictWireModel
from kleverproto.conversions import Conversion
from kleverproto.formats import conversion_target
from kleverproto.jobs import JobKind
from kleverproto.references import ModelRef
from kleverproto.variants import ModelReference


class CreateJob(StrictWireModel):
    """A job to run on a model version."""

    kind: JobKind = JobKind.EXTRACT
    ref: ModelReference
    """`project/model:version`."""
    conversion: Conversion | None = None
    """Target of a `convert` job."""

    @field_validator("ref")
    @classmethod
    def _is_a_reference(cls, value: str) -> str:
        return str(ModelRef.parse(value))

    @field_validator("conversion")
    @classmethod
    def _can_be_made(cls, value: Conversion | None) -> Conversion | None:
        return value.replace(to=conversion_target(value.to)) if value else None

    @model_validator(mode="after")
    def _says_what_to_make(self) -> Self:
        if self.kind is JobKind.CONVERT and self.conversion is None:
            raise ValueError('a convert job requires a target: add {"conversion": {"to": "ONNX"}}')
        if self.kind is not JobKind.CONVERT and self.conversion is not None:
            raise ValueError('`conversion` requires a job of the kind convert: add "kind": "convert"')
        return self
