"""Sample inputs for a model, made from its signature alone."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kleverproto.signatures import Tensor

SEED = 20240229
"""Fixed, so that a conversion done again is checked on the same inputs."""
BATCH, FREE = 3, 16
"""Sizes given to a first dimension, and to others, that may be of any size."""
_ELEMENTS = 2**26
_SMALL_INTEGERS = 4
"""Integers are often indices into a vocabulary or classes: only small ones are safe."""


class NoSamplesError(Exception):
    """No inputs can be made of the signature; the message says why."""


def samples_for(inputs: Iterable[Tensor]) -> dict[str, NDArray[Any]]:
    """An array for each input, by name, in order. Raises NoSamplesError."""
    generator = np.random.default_rng(SEED)
    sizes: dict[str, int] = {}
    samples = {tensor.name: _sample(tensor, generator, sizes) for tensor in inputs}
    if not samples:
        raise NoSamplesError("the inputs of the model are not known")
    return samples


def _sample(tensor: Tensor, generator: np.random.Generator, sizes: dict[str, int]) -> NDArray[Any]:
    if tensor.shape is None:
        raise NoSamplesError(f"the shape of input {tensor.name} is not known")
    shape = tuple(_size(dimension, position, sizes) for position, dimension in enumerate(tensor.shape))
    if np.prod(shape, dtype=np.float64) > _ELEMENTS:
        raise NoSamplesError(f"input {tensor.name} is too large to make samples of: {shape}")
    dtype = _dtype(tensor)
    if dtype.kind == "f":
        return generator.standard_normal(shape).astype(dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    if dtype.itemsize == 1:  # pixels, or quantised values
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    return generator.integers(0, _SMALL_INTEGERS, shape).astype(dtype)


def _size(dimension: int | str, position: int, sizes: dict[str, int]) -> int:
    free = BATCH if position == 0 else FREE
    if isinstance(dimension, str):
        return sizes.setdefault(dimension, free)
    return dimension if dimension >= 0 else free


def _dtype(tensor: Tensor) -> np.dtype[Any]:
    try:
        dtype = np.dtype(tensor.dtype) if tensor.dtype else None
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in "fbiu":
        raise NoSamplesError(f"no samples are made of inputs of type {tensor.dtype or 'unknown'} ({tensor.name})")
    return dtype
