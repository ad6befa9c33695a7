"""Inputs of a scikit-learn estimator: a matrix, named columns, or texts, with the names that model servers use."""

from collections.abc import Iterator, Sequence
from typing import Any

from kleverproto.signatures import Tensor
from modelfiles.inert_pickle import Inert, class_name
from modelformats.inert_arrays import inert_array
from modelformats.tabular import INPUT

TEXT_VECTORIZERS = {"CountVectorizer", "TfidfVectorizer", "HashingVectorizer"}
MOST_COLUMNS = 2000
"""Maximum number of columns that are separate inputs; the catalogue stores no more names.

The model server has the same number.
"""


def inputs_of(root: Inert, features: int | None) -> tuple[Tensor, ...]:
    """Return one matrix if columns have no names and the same type, else a tensor for each column.

    Args:
        root: the estimator or pipeline.
        features: number of columns; None if it is not in the file.
    """
    first = next(iter(inner_steps(root)), root)
    if bare_name(first) in TEXT_VECTORIZERS:
        return (Tensor(name=INPUT, dtype="str", shape=(-1,)),)
    names = _names(root)
    count = features if names is None else len(names)
    if not count:
        return ()
    texts = set(_Texts(names, count).in_step(root, range(count)))
    if count > MOST_COLUMNS or (names is None and len(texts) in {0, count}):
        return (Tensor(name=INPUT, dtype="str" if texts else None, shape=(-1, count)),)
    columns = names or [f"x{index}" for index in range(count)]
    return tuple(
        Tensor(name=name, dtype="str" if index in texts else None, shape=(-1,)) for index, name in enumerate(columns)
    )


def inner_steps(estimator: Any, attribute: str = "steps") -> list[Any]:
    """Return the estimators of a pipeline's steps, which are pairs of name and estimator."""
    steps = estimator.attribute(attribute) if isinstance(estimator, Inert) else None
    if not isinstance(steps, list):
        return []
    return [step[1] for step in steps if isinstance(step, tuple) and len(step) == 2]  # noqa: PLR2004 - see above


def bare_name(estimator: Any) -> str:
    """Return the name of an estimator's class without its module."""
    return (class_name(estimator) or "").rpartition(".")[2]


def _names(root: Any) -> list[str] | None:
    """Return the names of the columns on which it was fitted; for a pipeline, those of its first step."""
    seen = set[int]()
    while isinstance(root, Inert) and id(root) not in seen:
        seen.add(id(root))
        array = inert_array(root.attribute("feature_names_in_"))
        if array is not None:
            names = array.values() or []
            return [str(name) for name in names] or None
        root = next(iter(inner_steps(root)), None)
    return None


class _Texts:
    """The columns in which encoders learned text."""

    def __init__(self, names: list[str] | None, count: int) -> None:
        self._names = names
        self._count = count
        self._seen = set[int]()

    def in_step(self, step: Any, columns: Sequence[int]) -> Iterator[int]:
        """Yield indices of columns; `columns` are those that the step receives. Each step is visited once."""
        if not isinstance(step, Inert) or id(step) in self._seen:
            return
        self._seen.add(id(step))
        if isinstance(parts := step.attribute("transformers_"), list):
            yield from self._in_parts(parts)
        elif steps := inner_steps(step):
            yield from self._in_chain(steps, columns)
        elif bare_name(step) in TEXT_VECTORIZERS:
            yield from columns
        elif isinstance(categories := step.attribute("categories_"), list):
            yield from (column for column, values in zip(columns, categories, strict=False) if _are_texts(values))

    def _in_parts(self, parts: list[Any]) -> Iterator[int]:
        """Yield the indices of a ColumnTransformer, whose parts are name, transformer and columns."""
        for part in parts:
            if isinstance(part, tuple) and len(part) == 3:  # noqa: PLR2004 - see above
                yield from self.in_step(part[1], self._indices(part[2]))

    def _in_chain(self, steps: list[Any], columns: Sequence[int]) -> Iterator[int]:
        for step in steps:
            yield from self.in_step(step, columns)
            if isinstance(step, Inert) and step.attribute("transformers_") is not None:
                return  # later steps receive other columns

    def _indices(self, chosen: Any) -> list[int]:
        """Return the columns that a ColumnTransformer selects: by names, positions, a slice, or a mask."""
        if class_name(chosen) in {"builtins.slice", "__builtin__.slice"}:
            bounds = chosen.arguments
            whole = len(bounds) == 3 and all(isinstance(bound, int | None) for bound in bounds)  # noqa: PLR2004
            return list(range(self._count))[slice(*bounds)] if whole else []
        array = inert_array(chosen)
        values = array.values() if array is not None else chosen
        listed = values if isinstance(values, list) else [values]
        if listed and isinstance(listed[0], bool):
            return [index for index, is_chosen in enumerate(listed[: self._count]) if is_chosen]
        return [index for value in listed if (index := self._index(value)) is not None]

    def _index(self, value: Any) -> int | None:
        if isinstance(value, str):
            return self._names.index(value) if self._names and value in self._names else None
        scalar = inert_array(value)
        place = next(iter(scalar.values() or ()), None) if scalar is not None else value
        return place if isinstance(place, int) and 0 <= place < self._count else None


def _are_texts(categories: Any) -> bool:
    array = inert_array(categories)
    if array is None:
        return False
    values = array.values()
    if values is None:  # too many to store
        return array.typestr.lstrip("<>|=")[:1] in {"U", "O"}
    return bool(values) and isinstance(values[0], str)
