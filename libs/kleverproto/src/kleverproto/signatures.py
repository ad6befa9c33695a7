"""Signatures: a model's inputs and outputs, as found in its files."""

from typing import Any, Self, TypedDict, Unpack

from pydantic import Field

from .base import WireModel

UNKNOWN_TYPE = "unknown type"
"""Prefix of the name of a type that the parser does not know."""
UNKNOWN_ELEMENTS = f"its elements are of {UNKNOWN_TYPE}"
UNDECLARED_ELEMENTS = "the model does not declare the type of its elements"
NO_TENSOR, NO_PLAIN_TENSOR = "not a tensor but a ", "not a plain tensor but a "
"""Prefixes of reasons in `Signature.unknown` for an input or output that the protocol cannot represent."""


class TensorChanges(TypedDict, total=False):
    """Fields of Tensor that can be replaced."""

    dtype: str | None
    shape: tuple[int | str, ...] | None


class Tensor(WireModel):
    """One input or output of a model."""

    name: str
    dtype: str | None = None
    """numpy name (float32, int64, …; `str` for strings); null if the file does not contain it."""
    shape: tuple[int | str, ...] | None = None
    """Dimensions; -1 is any size, a string a symbolic size; null if the rank is unknown."""
    op_type: str | None = None
    """PMML only: continuous, categorical or ordinal."""
    values: tuple[str, ...] = ()
    """PMML only: the values a categorical field may take."""

    def replace(self, **changes: Unpack[TensorChanges]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)


class Parameters(WireModel):
    """The weights of a model, counted without loading them."""

    count: int = 0
    bytes_by_dtype: dict[str, int] = Field(default_factory=dict)


class SignatureChanges(TypedDict, total=False):
    """Fields of Signature that can be replaced."""

    format: str | None
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    details: dict[str, Any]
    warnings: tuple[str, ...]


class Signature(WireModel):
    """Inputs, outputs and operators of a model, as found in its files.

    Fields that the files do not contain are absent, and `unknown` has the reasons.
    """

    format: str | None = None
    """The format of the files; None for a declared signature."""
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    operators: dict[str, int] = Field(default_factory=dict)
    """Number of uses by operator type, including subgraphs and functions."""
    parameters: Parameters | None = None
    framework: str | None = None
    framework_version: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)
    """Details of the format: opset, tags, classes, steps of a pipeline, …"""
    unknown: dict[str, str] = Field(default_factory=dict)
    """The reason by field why the file does not determine it."""
    warnings: tuple[str, ...] = ()
    """Problems to expect when the model is loaded or called, each as a sentence with a remedy."""

    def replace(self, **changes: Unpack[SignatureChanges]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)
