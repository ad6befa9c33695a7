"""Generates sample inputs for a model from its signature, and from hints on the values that it distinguishes.

A signature leaves sizes and ranges open, so there are several sets: those that reach most of the model first, then
those that more models accept. The source runs on the first set that it accepts and whose outputs are informative.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kleverproto.codes import INVALID_SAMPLES
from kleverproto.signatures import Tensor
from modelconversion.errors import ConversionError

from .hints import Column, Hints

SEED = 20240229
"""Fixed, so that a repeated conversion is checked on the same inputs."""
BATCH, ROWS = 3, 32
"""Sizes of a first dimension of any size: trees differ in few rows of a table, and rows are cheap."""
FREE = (16, 32, 64, 128, 224, 28, 299, 8, 1)
"""Sizes of other dimensions of any size, which later layers may fix: lengths of sequences, sides of images."""
INTEGERS = (1000, 100, 4, 2)
"""Upper limits of integers, which are often indices into a vocabulary whose size the signature does not contain."""
_TABLE = 4096
"""Maximum number of elements of a row for a model of tables."""
_ELEMENTS, _LATER_ELEMENTS = 2**26, 2**22
"""Maximum number of elements of an input, and of all inputs together in sets after the first."""
_DEFAULT_TYPE = "float32"
"""If the files contain a shape and no type, the framework accepts any numbers, and this type first."""
_MARKS = ("mask", "type_id", "segment")
"""Parts of the names of inputs that contain zeros and ones, regardless of type."""

Samples = dict[str, NDArray[Any]]


class NoSamplesError(Exception):
    """No inputs can be generated from the signature; the message contains the reason."""


@dataclass(frozen=True)
class Draw:
    """A way to fill the parts that a signature leaves open."""

    free: int = FREE[0]
    batch: int | None = None
    """The size of a first dimension of any size; None for the default."""
    integers: int = 4
    """Upper limit of integers without a more precise hint."""
    low: float = 0.0
    spread: float = 1.0
    """Of floats, which are normally distributed around `low`."""
    is_usual: bool = True
    """Without values that models may reject: missing values and unknown categories."""
    is_hinted: bool = True
    """Use the hints, if there are any."""


def samples_for(inputs: Iterable[Tensor], hints: Hints = Hints()) -> list[Samples]:  # noqa: B008  # immutable
    """Return several sets of arrays for the inputs, by name, in order.

    Raises NoSamplesError if none can be generated.
    """
    tensors = tuple(inputs)
    if not tensors:
        raise NoSamplesError("the inputs of the model are not known")
    made: list[Samples] = []
    problem: NoSamplesError | None = None
    for draw in _draws(tensors, hints):
        try:
            samples = _sample_set(tensors, hints, draw)
        except NoSamplesError as error:
            problem = problem or error
            continue
        if not made or sum(array.size for array in samples.values()) <= _LATER_ELEMENTS:
            made.append(samples)
    if problem is not None and not made:
        raise problem
    return made


def _draws(tensors: Sequence[Tensor], hints: Hints) -> Iterator[Draw]:
    """Yield draws, the most informative first."""
    has_free = any(_is_free(size) for tensor in tensors for size in (tensor.shape or ())[1:])
    has_batch = any(_is_free(size) for tensor in tensors for size in (tensor.shape or ())[:1])
    sizes = FREE if has_free else FREE[:1]
    if any(column.odd for column in hints.columns.values()):
        yield Draw(is_usual=False)
    limits = INTEGERS if any(_is_index(tensor) for tensor in tensors) else INTEGERS[2:3]
    yield from (Draw(sizes[0], integers=limit) for limit in limits)
    yield from (Draw(size) for size in sizes[1:])
    if has_batch:
        yield from (Draw(size, batch=1) for size in (sizes[0], *sizes[4:5]))
    if hints.limits or hints.columns:
        yield Draw(is_hinted=False)
    yield Draw(low=0.5, spread=0.2)  # fractions, and pixels from 0 to 1
    yield Draw(low=128, spread=50)  # pixels
    yield Draw(integers=2, spread=0.01)


def given_samples(values: Mapping[str, Any], inputs: Iterable[Tensor]) -> Samples:
    """Return the user's samples as arrays of the inputs' types. Raises ConversionError (invalid_samples)."""
    known = {tensor.name: tensor for tensor in inputs}
    if known and set(known) != set(values):
        names = ", ".join(known)
        raise ConversionError(
            INVALID_SAMPLES, f"the model's inputs are {names}; the samples are for {', '.join(values)}"
        )
    try:
        return {name: np.asarray(value, known[name].dtype if name in known else None) for name, value in values.items()}
    except (ValueError, TypeError, OverflowError) as error:
        raise ConversionError(INVALID_SAMPLES, f"the samples are not arrays of the inputs' types: {error}") from error


def _is_free(size: int | str) -> bool:
    return isinstance(size, str) or size < 0


def _is_index(tensor: Tensor) -> bool:
    """Return whether the values may be indices."""
    return tensor.dtype in {"int16", "int32", "int64", "uint16", "uint32", "uint64"}


def _is_of_table(tensor: Tensor) -> bool:
    """Return whether the input is a matrix of known width, or a column."""
    shape = tensor.shape
    return shape is not None and len(shape) <= 2 and all(isinstance(n, int) and 0 < n <= _TABLE for n in shape[1:])  # noqa: PLR2004


def _sample_set(tensors: Sequence[Tensor], hints: Hints, draw: Draw) -> Samples:
    generator = np.random.default_rng(SEED)
    hints = hints if draw.is_hinted else Hints()
    is_table = all(_is_of_table(tensor) for tensor in tensors)
    sizes = _Sizes(draw.batch or (ROWS if is_table else BATCH), draw.free)
    samples = {tensor.name: _sample(tensor, _shape(tensor, sizes), generator, hints, draw) for tensor in tensors}
    return _with_columns(samples, hints, draw, generator) if is_table else samples


@dataclass
class _Sizes:
    """Sizes of dimensions of any size; a symbol has the same size everywhere."""

    batch: int
    free: int
    named: dict[str, int] = field(default_factory=dict)

    def size(self, dimension: int | str, position: int) -> int:
        free = self.batch if position == 0 else self.free
        if isinstance(dimension, str):
            return self.named.setdefault(dimension, free)
        return dimension if dimension >= 0 else free


def _shape(tensor: Tensor, sizes: _Sizes) -> tuple[int, ...]:
    if tensor.shape is None:
        raise NoSamplesError(f"the shape of input {tensor.name} is not known")
    shape = tuple(sizes.size(dimension, position) for position, dimension in enumerate(tensor.shape))
    if np.prod(shape, dtype=np.float64) > _ELEMENTS:
        raise NoSamplesError(f"input {tensor.name} is too large for samples: {shape}")
    return shape


def _sample(
    tensor: Tensor, shape: tuple[int, ...], generator: np.random.Generator, hints: Hints, draw: Draw
) -> NDArray[Any]:
    if tensor.values and tensor.dtype == "str":
        return generator.choice(np.array(tensor.values), shape)
    dtype = _dtype(tensor, hints)
    if dtype.kind == "U":
        return np.full(shape, "", dtype)  # values of columns replace it
    if any(mark in tensor.name.lower() for mark in _MARKS):
        return _marks(generator, shape).astype(dtype)
    if dtype.kind == "f":
        # Converters narrow to float32: values that float32 represents exactly are the same for both models.
        return (draw.low + draw.spread * generator.standard_normal(shape, np.float32)).astype(dtype)
    return _integers(generator, shape, dtype, hints.limits.get(tensor.name, draw.integers))


def _marks(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return zeros and ones. The first is a one, because a model computes nothing if everything is masked."""
    marks = generator.integers(0, 2, shape)
    marks[..., :1] = 1
    return marks


def _integers(generator: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any], limit: int) -> NDArray[Any]:
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    if dtype.itemsize == 1:  # pixels, or quantised values
        ends = np.iinfo(dtype)
        return generator.integers(ends.min, ends.max, shape, dtype=dtype, endpoint=True)
    return generator.integers(0, limit, shape).astype(dtype)


def _dtype(tensor: Tensor, hints: Hints) -> np.dtype[Any]:
    if tensor.dtype in {None, "str"} and hints.columns and all(column.is_text for column in hints.columns.values()):
        return np.dtype("U64")
    try:
        dtype: np.dtype[Any] | None = np.dtype(tensor.dtype or _DEFAULT_TYPE)
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in "fbiu":
        raise NoSamplesError(f"samples of type {tensor.dtype} are not supported (input {tensor.name})")
    return dtype


def _with_columns(samples: Samples, hints: Hints, draw: Draw, generator: np.random.Generator) -> Samples:
    """Return the samples of a table with values that its columns distinguish: one matrix, or an input for each."""
    if not hints.columns:
        return samples
    (name, first), *more = samples.items()
    if not more and first.ndim == 2:  # noqa: PLR2004
        columns = [_column(first[:, i], hints.columns.get(i), draw, generator) for i in range(first.shape[1])]
        return {name: np.stack(columns, axis=1)}
    return {
        each: _column(values.ravel(), hints.columns.get(i), draw, generator).reshape(values.shape)
        for i, (each, values) in enumerate(samples.items())
    }


def _column(values: NDArray[Any], column: Column | None, draw: Draw, generator: np.random.Generator) -> NDArray[Any]:
    """Return as many values of the column as fit, in random order; every fourth row has unknown and missing ones."""
    if column is None or not column.values:
        return values
    known = np.array(column.values)
    if known.dtype.kind == "U" and values.dtype.kind != "U":
        return values
    made = generator.permutation(np.resize(generator.permutation(known), values.shape))
    if column.odd and not draw.is_usual and values.dtype.kind in "fU":
        odd = np.resize(np.array(column.odd), (len(made) + 3) // 4)
        made = made.astype(np.result_type(made, odd))
        made[::4] = odd
    return made if made.dtype.kind == "U" else made.astype(values.dtype)
