"""The record of a conversion, which goes with its result."""

from pydantic import Field

from kleverproto.base import WireModel


class Step(WireModel):
    """One program of the route."""

    source_format: str
    target_format: str
    program: str
    toolchain: str
    options: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    """Of the tools that did it, by package."""
    seconds: float


class Difference(WireModel):
    """How far one output of the result is from the source's, on the same samples."""

    output: str
    absolute: float
    """The largest absolute difference; of outputs that are no numbers, the share of values that differ."""
    relative: float
    """That, in parts of the largest absolute value of the source's output."""
    largest: float
    """The largest absolute value of the source's output."""
    note: str | None = None
    """Why agreement proves little, where it does."""


class Verification(WireModel):
    """What comparing the result with the source gave."""

    verified: bool
    reason: str | None = None
    """Why it could not be compared, where it was not."""
    differences: tuple[Difference, ...] = ()
    seconds: float = 0.0


class ConversionRecord(WireModel):
    """How a model came to be of another one."""

    source_format: str
    target_format: str
    steps: tuple[Step, ...]
    verification: Verification
    seconds: float
