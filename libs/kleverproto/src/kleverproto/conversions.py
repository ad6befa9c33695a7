"""Conversions: their requests and their records."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self, TypedDict, Unpack

from pydantic import Field, field_validator, model_validator

from .base import StrictWireModel, WireModel
from .references import Digest, ModelRef

RECORD_TYPE = "application/vnd.klever.conversion.v1+json"
"""Artifact type of the OCI referrer that holds the record of a conversion."""
CONVERTED_FROM = "klever.dev/converted-from"
"""Label of a converted model: `project/model@digest` of its source."""
UNVERIFIED = "klever.dev/unverified"
"""Label of a converted model that was not compared with its source: the reason. Conversions inherit it."""
MEASURED_ERROR = "klever.dev/measured-error"
"""Label of a converted model that was compared with its source: see `Verification.error`."""


SAMPLES_TYPE = "application/vnd.klever.samples.v1+npz"
"""Artifact type of the OCI referrer that holds samples for a check."""
INLINE_SAMPLES_BYTES = 64 * 1024
"""Of the JSON of samples that are part of a request."""
SAMPLES_BYTES = 256 * 1024 * 1024
"""Of the .npz file with samples that are attached to a model."""


def unverified_warnings(labels: Mapping[str, str]) -> tuple[str, ...]:
    """The warning of a version whose labels say that it was not compared with its source."""
    if UNVERIFIED not in labels:
        return ()
    warning = (
        f"not verified: it was not compared with the model that it was converted from ({labels[UNVERIFIED]}); "
        "no policy converts or deploys it, `klever deploy` does"
    )
    return (warning,)


class Quantization(StrEnum):
    """Smaller data types for weights."""

    INT8 = "int8"
    FP16 = "fp16"


class ConversionChanges(TypedDict, total=False):
    """What may be replaced in a Conversion."""

    to: str
    samples: dict[str, Any]
    samples_digest: Digest | None
    ref: ModelRef | None


class Conversion(StrictWireModel):
    """A conversion to another format."""

    to: str
    """The format, as ormbfile.yaml spells it."""
    quantize: Quantization | None = None
    options: dict[str, str] = Field(default_factory=dict)
    """For the converters, such as `opset`."""
    samples: dict[str, Any] = Field(default_factory=dict)
    """Inputs to check the result with: numbers, strings or nested lists by name, 64 KiB of JSON at most."""
    samples_digest: Digest | None = None
    """Larger inputs: an artifact of the type `application/vnd.klever.samples.v1+npz` in the model's repository, whose
    one layer is an .npz file of 256 MiB at most. Without any samples they are made up."""
    allow_unverified: bool = False
    """Publish the result even if it could not be compared with its source."""
    ref: ModelRef | None = None
    """Name of the result; by default the name of the source, with the format appended to the version."""

    @field_validator("samples")
    @classmethod
    def _are_small(cls, value: dict[str, Any]) -> dict[str, Any]:
        """They are part of events and documents, which have a maximum size, and JSON has no NaN."""
        try:
            size = len(json.dumps(value, allow_nan=False))
        except ValueError as error:
            raise ValueError("NaN and infinity are no JSON: write null for a missing number") from error
        if size > INLINE_SAMPLES_BYTES:
            raise ValueError(
                f"{size} bytes of JSON are more than the {INLINE_SAMPLES_BYTES} that a request takes: attach the "
                "samples to the model as an .npz file and give samplesDigest, as `klever convert --sample` does"
            )
        return value

    @model_validator(mode="after")
    def _in_one_place(self) -> Self:
        if self.samples and self.samples_digest:
            raise ValueError("give samples or samplesDigest, not both")
        return self

    def replace(self, **changes: Unpack[ConversionChanges]) -> Self:
        """The same conversion with other values for some fields."""
        return self.model_copy(update=changes)

    def result(self, source: ModelRef) -> ModelRef:
        """The name of the result."""
        if self.ref:
            return self.ref
        suffix = "-".join(part for part in (self.to.lower(), self.quantize) if part)
        return source.with_version(f"{source.version[: 127 - len(suffix)]}-{suffix}")


class ConversionStep(WireModel):
    """One program of the route."""

    source_format: str
    target_format: str
    program: str
    toolchain: str
    options: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of the tools, by package."""
    seconds: float


class Difference(WireModel):
    """How far one output of the result is from the source's, on the same samples."""

    output: str
    absolute: float
    """The largest absolute difference; of outputs that are no numbers, the share of values that differ."""
    relative: float
    """That, in parts of the range of the source's output."""
    largest: float
    """The largest absolute value of the source's output."""
    range: float
    """From the smallest to the largest value of the source's output; where all are the same, `largest`."""
    note: str | None = None
    """Why the agreement proves little, if it does."""


class VerificationChanges(TypedDict, total=False):
    """What may be replaced in a Verification."""

    verified: bool
    reason: str | None


class Verification(WireModel):
    """The comparison of a result with its source."""

    verified: bool
    reason: str | None = None
    """Why it could not be compared, if it was not."""
    differences: tuple[Difference, ...] = ()
    seconds: float = 0.0

    def replace(self, **changes: Unpack[VerificationChanges]) -> Self:
        """The same record with other values for some fields."""
        return self.model_copy(update=changes)

    @property
    def error(self) -> float:
        """The largest difference of any output, in parts of the output's range."""
        return max((difference.relative for difference in self.differences), default=0.0)

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the result in its ormbfile.yaml."""
        if self.verified:
            return {MEASURED_ERROR: f"{self.error:.2g}"}
        return {UNVERIFIED: self.reason or "no reason is known"}


class ConversionRecord(WireModel):
    """The record of a conversion."""

    source_format: str
    target_format: str
    steps: tuple[ConversionStep, ...]
    verification: Verification
    seconds: float


class ConvertedModel(WireModel):
    """The result of a conversion."""

    ref: ModelRef
    digest: Digest
    registry: str
    """host:port from which it can be pulled."""
    is_cached: bool = False
    """Whether it is the result of an earlier conversion of the same bytes."""
    record: ConversionRecord
