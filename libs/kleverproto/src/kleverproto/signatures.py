"""What a model takes and gives: the result of parsing a model file."""

from typing import Any, Self, TypedDict, Unpack

from pydantic import Field

from .base import WireModel

UNKNOWN_TYPE = "unknown type"
"""How the name of a type begins that is newer than the parser."""
UNKNOWN_ELEMENTS = f"its elements are of {UNKNOWN_TYPE}"
UNSAID_ELEMENTS = "the model does not say of what type its elements are"
NO_TENSOR, NO_PLAIN_TENSOR = "not a tensor but a ", "not a plain tensor but a "
"""How reasons in `Signature.unknown` begin for an input or output without a type that nothing can send or answer."""


class TensorChanges(TypedDict, total=False):
    """What may be replaced in a Tensor."""

    dtype: str | None
    shape: tuple[int | str, ...] | None


class Tensor(WireModel):
    """One input or output of a model."""

    name: str
    dtype: str | None = None
    """numpy name (float32, int64, …; `str` for strings); null when it cannot be known from the file."""
    shape: tuple[int | str, ...] | None = None
    """Dimensions; -1 is any size, a string a symbolic size; null when the rank is unknown."""
    op_type: str | None = None
    """PMML only: continuous, categorical or ordinal."""
    values: tuple[str, ...] = ()
    """PMML only: the values a categorical field may take."""

    def replace(self, **changes: Unpack[TensorChanges]) -> Self:
        """The same tensor with other values for some fields."""
        return self.model_copy(update=changes)


class Parameters(WireModel):
    """The weights of a model, counted without loading them."""

    count: int = 0
    bytes_by_dtype: dict[str, int] = Field(default_factory=dict)


class SignatureChanges(TypedDict, total=False):
    """What may be replaced in a Signature."""

    format: str | None
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    details: dict[str, Any]
    warnings: tuple[str, ...]


class Signature(WireModel):
    """Inputs, outputs and operators of a model, as found in its files.

    What cannot be known statically is absent, and `unknown` says why, by field.
    """

    format: str | None = None
    """What the files were parsed as; None where an author declares a signature."""
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    operators: dict[str, int] = Field(default_factory=dict)
    """Operator type to number of uses, subgraphs and functions included."""
    parameters: Parameters | None = None
    framework: str | None = None
    framework_version: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)
    """What only this format has: opset, tags, classes, steps of a pipeline, …"""
    unknown: dict[str, str] = Field(default_factory=dict)
    """Field to the reason why it cannot be known from the file alone."""
    warnings: tuple[str, ...] = ()
    """Sentences on what will go wrong where the model is loaded or called, each with a remedy."""

    def replace(self, **changes: Unpack[SignatureChanges]) -> Self:
        """The same signature with other values for some fields."""
        return self.model_copy(update=changes)
