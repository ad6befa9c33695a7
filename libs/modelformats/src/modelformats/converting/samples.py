"""Sample inputs for a model, made from its signature alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kleverproto.signatures import Tensor

from .errors import ConversionError

SEED = 20240229
"""Fixed, so that a conversion done again is checked on the same inputs."""
BATCH, ROWS, FREE = 3, 32, 16
"""Sizes of a first dimension of any size (trees differ in few rows of a table, and rows cost little), and of others."""
_TABLE = 4096
"""Elements of a row up to which a model is one of a table."""
_ELEMENTS = 2**26
_UNSAID = "float32"
"""Where the files tell a shape and no type, the framework takes any numbers, and these in the first place."""
_SMALL_INTEGERS = 4
"""Integers are often indices into a vocabulary or classes: only small ones are safe."""


class NoSamplesError(Exception):
    """No inputs can be made of the signature; the message says why."""


def samples_for(inputs: Iterable[Tensor]) -> dict[str, NDArray[Any]]:
    """An array for each input, by name, in order. Raises NoSamplesError."""
    generator = np.random.default_rng(SEED)
    tensors = tuple(inputs)
    if not tensors:
        raise NoSamplesError("the inputs of the model are not known")
    sizes = _Sizes(ROWS if all(_is_of_table(tensor) for tensor in tensors) else BATCH)
    return {tensor.name: _sample(tensor, generator, sizes) for tensor in tensors}


def given_samples(values: Mapping[str, Any], inputs: Iterable[Tensor]) -> dict[str, NDArray[Any]]:
    """What someone gave, as arrays of the inputs' types. Raises ConversionError (invalid_samples)."""
    known = {tensor.name: tensor for tensor in inputs}
    if known and set(known) != set(values):
        names = ", ".join(known)
        raise ConversionError(
            "invalid_samples", f"the model's inputs are {names}; samples are given for {', '.join(values)}"
        )
    try:
        return {name: np.asarray(value, known[name].dtype if name in known else None) for name, value in values.items()}
    except (ValueError, TypeError, OverflowError) as error:
        raise ConversionError("invalid_samples", f"the samples are no arrays of the inputs' types: {error}") from error


def _is_of_table(tensor: Tensor) -> bool:
    """Whether it is a matrix of known width, or a column."""
    shape = tensor.shape
    return shape is not None and len(shape) <= 2 and all(isinstance(n, int) and 0 < n <= _TABLE for n in shape[1:])  # noqa: PLR2004


@dataclass
class _Sizes:
    """Sizes of dimensions that may be of any size; a symbol means the same everywhere."""

    batch: int
    named: dict[str, int] = field(default_factory=dict)

    def of(self, dimension: int | str, position: int) -> int:
        free = self.batch if position == 0 else FREE
        if isinstance(dimension, str):
            return self.named.setdefault(dimension, free)
        return dimension if dimension >= 0 else free


def _sample(tensor: Tensor, generator: np.random.Generator, sizes: _Sizes) -> NDArray[Any]:
    if tensor.shape is None:
        raise NoSamplesError(f"the shape of input {tensor.name} is not known")
    shape = tuple(sizes.of(dimension, position) for position, dimension in enumerate(tensor.shape))
    if np.prod(shape, dtype=np.float64) > _ELEMENTS:
        raise NoSamplesError(f"input {tensor.name} is too large to make samples of: {shape}")
    dtype = _dtype(tensor)
    if dtype.kind == "f":
        # Converters narrow to float32: numbers that it holds are the same to both models.
        return generator.standard_normal(shape, np.float32).astype(dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    if dtype.itemsize == 1:  # pixels, or quantised values
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    return generator.integers(0, _SMALL_INTEGERS, shape).astype(dtype)


def _dtype(tensor: Tensor) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] | None = np.dtype(tensor.dtype or _UNSAID)
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in "fbiu":
        raise NoSamplesError(f"no samples are made of inputs of type {tensor.dtype} ({tensor.name})")
    return dtype
