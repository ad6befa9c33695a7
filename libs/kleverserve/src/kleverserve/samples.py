"""Made-up inputs of a model, from its own metadata; pure.

Metadata leaves much open: lengths, the range of numbers, which texts are known. So there are several samples, small
ones and those that most models take first. A model may refuse them all and be a good one.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod

import numpy as np

from .model import TensorSpec
from .tensors import NUMPY_TYPES, Array, Datatype

LENGTHS = ((1, 1), (1, 4), (2, 2), (1, 16), (1, 32), (1, 224), (16, 16))
"""For open dimensions: of the first one, which often counts rows, and of the others."""
RANKS = (0, 2, 1, 4, 3)
"""For tensors of which no rank is known; a scalar has none in the metadata."""
MOST_ELEMENTS = 2**24
"""Of a sample, so that it would fit into a request."""
TEXTS = ("a", "b", "", "0")


def made_up(specs: Sequence[TensorSpec]) -> Iterator[dict[str, Array]]:
    """Zeros and ones (and texts) of one small shape after the other, each shape once."""
    seen = set()
    for rank in RANKS if any(spec.shape is None for spec in specs) else RANKS[:1]:
        for first, other in LENGTHS:
            shapes = tuple(_shape(spec, rank, first, other) for spec in specs)
            if shapes in seen or sum(map(prod, shapes)) > MOST_ELEMENTS:
                continue
            seen.add(shapes)
            yield from (_filled(specs, shapes, one=one) for one in (False, True))


def varied(sample: Mapping[str, Array], seed: int) -> dict[str, Array]:
    """Other values of the same types and shapes, and the same ones for the same seed."""
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
    """Numbers from 0 to 1 or around 0 in turn, whole ones from 0 to 3, since they may count or be indices."""
    kind = array.dtype.kind
    if kind == "O":
        return array if seed % 2 else random.choice(np.array(TEXTS, object), array.shape)
    if kind == "f":
        values = random.uniform(size=array.shape) if seed % 2 else random.normal(scale=2, size=array.shape)
        return values.astype(array.dtype)
    return random.integers(0, 2 if kind == "b" else 4, array.shape).astype(array.dtype)
