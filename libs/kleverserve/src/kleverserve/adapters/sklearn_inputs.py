"""Describes the input that a scikit-learn estimator was fitted on: a matrix, named columns, or texts."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

from kleverserve.errors import InvalidRequestError, ModelLoadError
from kleverserve.model import TensorSpec
from kleverserve.tensors import NUMPY_TYPES, Array, Datatype

from .declared import FILE_NAME, Declared
from .files import one_line
from .matrices import INPUT

MOST_COLUMNS = 2000
"""Maximum number of columns that are separate inputs, as in the catalogue; more columns are one matrix."""


@dataclass(frozen=True)
class Layout:
    """Converts the rows of a request to the input of the estimator."""

    specs: Sequence[TensorSpec]
    rows: Callable[[Mapping[str, Array]], Any]


def layout_of(estimator: Any, declared: Sequence[Declared]) -> Layout:
    """Return the inputs of an estimator. Declared names and types take precedence.

    Raises:
        ModelLoadError: the number of declared inputs differs from that of the estimator.
    """
    if _is_text_vectorizer(_first(estimator)):
        return _single(_spec(INPUT, Datatype.BYTES, (-1,), declared))
    names = getattr(estimator, "feature_names_in_", None)
    count = int(getattr(estimator, "n_features_in_", -1))
    texts = set(_text_columns(estimator, [str(name) for name in names] if names is not None else None))
    if names is None and (len(declared) <= 1) and (not texts or len(texts) == count):
        return _single(_spec(INPUT, Datatype.BYTES if texts else Datatype.FP64, (-1, count), declared))
    if count > MOST_COLUMNS and len(declared) <= 1:
        spec = _spec(INPUT, Datatype.BYTES if texts else Datatype.FP64, (-1, count), declared)
        return Layout([spec], lambda inputs: _wide(inputs[spec.name], names, texts))
    columns = [str(name) for name in names] if names is not None else [f"x{index}" for index in range(count)]
    return _table(columns, texts, declared, is_named=names is not None)


def _single(spec: TensorSpec) -> Layout:
    return Layout([spec], lambda inputs: inputs[spec.name])


def _wide(matrix: Array, names: Any, texts: set[int]) -> Any:
    """Convert a matrix of all columns to a table. If it has columns of text, numbers are text as well."""
    frame = pd.DataFrame(matrix, columns=names)
    numbers = [column for index, column in enumerate(frame) if index not in texts]
    try:
        frame = frame.astype(dict.fromkeys(numbers, float)) if texts else frame
    except ValueError as error:
        raise InvalidRequestError(f"a column of numbers contains text: {one_line(error)}") from error
    return frame if names is not None else frame.to_numpy()


def _spec(name: str, datatype: Datatype, shape: tuple[int, ...], declared: Sequence[Declared]) -> TensorSpec:
    if len(declared) > 1:
        raise ModelLoadError(f"the model takes one input, but {FILE_NAME} declares {len(declared)}")
    declaration = declared[0] if declared else Declared(name)
    return TensorSpec(declaration.name, declaration.datatype or datatype, shape)


def _table(columns: Sequence[str], texts: set[int], declared: Sequence[Declared], *, is_named: bool) -> Layout:
    if declared and len(declared) != len(columns):
        raise ModelLoadError(f"the model takes {len(columns)} columns, but {FILE_NAME} declares {len(declared)} inputs")
    known = {entry.name: entry for entry in declared}
    if set(known) != set(columns):
        known = dict(zip(columns, declared, strict=False))
    specs = []
    for index, column in enumerate(columns):
        declaration = known.get(column, Declared(column))
        usual = Datatype.BYTES if index in texts else Datatype.FP64
        specs.append(TensorSpec(declaration.name, declaration.datatype or usual, (-1,)))

    def rows(inputs: Mapping[str, Array]) -> Any:
        arrays = [inputs[spec.name] for spec in specs]
        if len({len(array) for array in arrays}) != 1:
            raise InvalidRequestError("every input must have as many values as the others: one for each row")
        if is_named:
            return pd.DataFrame(dict(zip(columns, arrays, strict=True)))
        wide = np.dtype(object) if any(array.dtype == object for array in arrays) else np.result_type(*arrays)
        return np.stack([array.astype(wide) for array in arrays], axis=1)

    return Layout(specs, rows)


def trial_inputs(layout: Layout, estimator: Any, number: int) -> dict[str, Array]:
    """Return two rows that the estimator should accept: one number in all columns, and known categories."""
    known = dict(_categories(estimator, _names(estimator)))
    inputs = {}
    for index, spec in enumerate(layout.specs):
        lengths = [2, *((max(length, 1) for length in spec.shape[1:]) if spec.shape else ())]
        fill: object = known.get(index, "a") if spec.datatype is Datatype.BYTES else number
        inputs[spec.name] = np.full(lengths, fill, NUMPY_TYPES[spec.datatype])
        if spec.datatype is Datatype.BYTES and len(lengths) > 1:
            inputs[spec.name][:] = [known.get(column, str(number)) for column in range(lengths[1])]
    return inputs


def _names(estimator: Any) -> list[str] | None:
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def _text_columns(estimator: Any, names: list[str] | None) -> Iterator[int]:
    for index, _ in _categories(estimator, names):
        yield index


def _categories(step: Any, names: list[str] | None, columns: Sequence[int] | None = None) -> Iterator[tuple[int, str]]:
    """Yield columns in which encoders learned text, and one text that they know."""
    if hasattr(step, "transformers_"):
        for _, part, chosen in step.transformers_:
            if not isinstance(part, str):
                yield from _categories(part, names, _indices(chosen, names, step))
    elif hasattr(step, "steps"):
        for _, part in step.steps:
            yield from _categories(part, names, columns)
            if hasattr(part, "transformers_"):
                return  # later steps receive other columns
    elif _is_text_vectorizer(step):
        yield from ((index, "a") for index in columns or ())
    else:
        for position, values in enumerate(getattr(step, "categories_", ())):
            if len(values) and isinstance(values[0], str):
                yield (position if columns is None else columns[position]), values[0]


def _indices(chosen: Any, names: list[str] | None, step: Any) -> list[int]:
    if isinstance(chosen, str | int):
        chosen = [chosen]
    if isinstance(chosen, slice) or (len(chosen) > 0 and isinstance(chosen[0], bool | np.bool_)):
        return list(np.arange(step.n_features_in_)[chosen])
    return [names.index(each) if names and isinstance(each, str) else int(each) for each in chosen]


def _first(estimator: Any) -> Any:
    return estimator.steps[0][1] if hasattr(estimator, "steps") else estimator


def _is_text_vectorizer(step: Any) -> bool:
    return isinstance(step, CountVectorizer | HashingVectorizer)
