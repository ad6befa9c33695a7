"""Conversions: requests and records."""

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
"""Label of a converted model that was not compared with its source; its value is the reason. Conversions inherit it."""
MEASURED_ERROR = "klever.dev/measured-error"
"""Label of a converted model that was compared with its source: see `Verification.error`."""


SAMPLES_TYPE = "application/vnd.klever.samples.v1+npz"
"""Artifact type of the OCI referrer that holds samples for verification."""
INLINE_SAMPLES_BYTES = 64 * 1024
"""Maximum size of samples in a request, as JSON."""
SAMPLES_BYTES = 256 * 1024 * 1024
"""Maximum size of the .npz file with samples that are attached to a model."""


def unverified_warnings(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return a warning if the labels show that the version was not compared with its source."""
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
    """Fields of Conversion that can be replaced."""

    to: str
    samples: dict[str, Any]
    samples_digest: Digest | None
    ref: ModelRef | None


class ConversionOptions(StrictWireModel):
    """Options for the conversion and verification of a model."""

    quantize: Quantization | None = None
    options: dict[str, str] = Field(default_factory=dict)
    """Options of the converters, such as `opset`."""
    samples: dict[str, Any] = Field(default_factory=dict)
    """Inputs for verification: numbers, strings or nested lists by name, at most 64 KiB of JSON."""
    samples_digest: Digest | None = None
    """Larger inputs for verification: an artifact of the type `application/vnd.klever.samples.v1+npz` in the model's
    repository, with one layer, an .npz file of at most 256 MiB. Without samples, inputs are generated."""
    allow_unverified: bool = False
    """Publish the result even if it could not be compared with its source."""

    @field_validator("samples")
    @classmethod
    def _are_small(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Check the size, because events and documents have a maximum size. Reject NaN, which JSON does not have."""
        try:
            size = len(json.dumps(value, allow_nan=False))
        except ValueError as error:
            raise ValueError("NaN and infinity are not valid JSON: write null for a missing number") from error
        if size > INLINE_SAMPLES_BYTES:
            raise ValueError(
                f"the samples are {size} bytes of JSON, the maximum is {INLINE_SAMPLES_BYTES}: attach them to "
                "the model as an .npz file and set samplesDigest, or use `klever convert --sample`"
            )
        return value

    @model_validator(mode="after")
    def _in_one_place(self) -> Self:
        if self.samples and self.samples_digest:
            raise ValueError("give samples or samplesDigest, not both")
        return self


class Conversion(ConversionOptions):
    """A conversion to another format."""

    to: str
    """The target format, as in ormbfile.yaml."""
    ref: ModelRef | None = None
    """Name of the result; by default the name of the source, with the format appended to the version."""

    def replace(self, **changes: Unpack[ConversionChanges]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)

    def result(self, source: ModelRef) -> ModelRef:
        """Return the name of the result."""
        if self.ref:
            return self.ref
        suffix = "-".join(part for part in (self.to.lower(), self.quantize) if part)
        return source.with_version(f"{source.version[: 127 - len(suffix)]}-{suffix}")


class ConversionStep(WireModel):
    """One step of a conversion."""

    source_format: str
    target_format: str
    program: str
    toolchain: str
    options: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of the tools by package."""
    seconds: float


class Difference(WireModel):
    """The difference of one output between the result and its source, for the same samples."""

    output: str
    absolute: float
    """The largest absolute difference; for outputs that are not numbers, the share of values that differ."""
    relative: float
    """`absolute` divided by `range`."""
    largest: float
    """The largest absolute value of the source's output."""
    range: float
    """The distance from the smallest to the largest value of the source's output; `largest` if all are equal."""
    note: str | None = None
    """The reason if the comparison proves little."""


class VerificationChanges(TypedDict, total=False):
    """Fields of Verification that can be replaced."""

    verified: bool
    reason: str | None


class Verification(WireModel):
    """The comparison of a result with its source."""

    verified: bool
    reason: str | None = None
    """The reason if the result was not compared."""
    differences: tuple[Difference, ...] = ()
    seconds: float = 0.0

    def replace(self, **changes: Unpack[VerificationChanges]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)

    @property
    def error(self) -> float:
        """The largest `relative` difference of all outputs."""
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
    """True if an earlier conversion of the same bytes made the model."""
    record: ConversionRecord
