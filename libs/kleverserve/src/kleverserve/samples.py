"""Generates inputs of a model from its metadata; pure.

Metadata leave much open: lengths, ranges of numbers, known texts. So there are several samples, small ones and those
that most models accept first. A valid model may reject them all.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod

import numpy as np

from .model import TensorSpec
from .tensors import NUMPY_TYPES, Array, Datatype

LENGTHS = ((1, 1), (1, 4), (2, 2), (1, 16), (1, 32), (1, 224), (16, 16))
"""Lengths of open dimensions: of the first one, which is often the batch, and of the others."""
RANKS = (0, 2, 1, 4, 3)
"""Ranks to try for tensors of unknown rank; the metadata of a scalar have no rank."""
MOST_ELEMENTS = 2**24
"""Maximum size of a sample, so that it fits into a request."""
TEXTS = ("a", "b", "", "0")


def generated_samples(specs: Sequence[TensorSpec]) -> Iterator[dict[str, Array]]:
    """Yield inputs of zeros, ones and texts, for one small shape after the other, without repetition."""
    seen = set()
    for rank in RANKS if any(spec.shape is None for spec in specs) else RANKS[:1]:
        for first, other in LENGTHS:
            shapes = tuple(_shape(spec, rank, first, other) for spec in specs)
            if shapes in seen or sum(map(prod, shapes)) > MOST_ELEMENTS:
                continue
            seen.add(shapes)
            yield from (_filled(specs, shapes, one=one) for one in (False, True))


def varied(sample: Mapping[str, Array], seed: int) -> dict[str, Array]:
    """Return other values of the same types and shapes; equal seeds give equal values."""
    random = np.random.default_rng(seed)
    return {name: _varied(array, random, seed) for name, array in sample.items()}


def _shape(spec: TensorSpec, rank: int, first: int, other: int) -> tuple[int, ...]:
    dimensions = (-1,) * rank if spec.shape is None else spec.shape
    usual = [first, *[other] * len(dimensions)]
    return tuple(usual[at] if length == -1 else length for at, length in enumerate(dimensions))


def _filled(specs: Sequence[TensorSpec], shapes: Sequence[tuple[int, ...]], *, one: bool) -> dict[str, Array]:
    return {
        spec.name: np.full(shape, TEXTS[one] if spec.datatype is Datatype.BYTES else one, NUMPY_TYPES[spec.datatype])
        for spec, shape in zip(specs, shapes, strict=True)
    }


def _varied(array: Array, random: np.random.Generator, seed: int) -> Array:
    """Return numbers from 0 to 1 or around 0 in turn; integers are from 0 to 3, since they may be counts or indices."""
    kind = array.dtype.kind
    if kind == "O":
        return array if seed % 2 else random.choice(np.array(TEXTS, object), array.shape)
    if kind == "f":
        values = random.uniform(size=array.shape) if seed % 2 else random.normal(scale=2, size=array.shape)
        return values.astype(array.dtype)
    return random.integers(0, 2 if kind == "b" else 4, array.shape).astype(array.dtype)
