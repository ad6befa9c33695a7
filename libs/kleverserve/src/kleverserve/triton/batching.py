"""Combines several requests to one run of a model whose rows are independent of each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kleverserve.batching import UnsplittableError, joined, split_results
from kleverserve.errors import ApiError
from kleverserve.model import Model
from kleverserve.tensors import Array


@dataclass(frozen=True, slots=True)
class Work:
    """One request: all inputs, and the names of the requested outputs."""

    inputs: Mapping[str, Array]
    outputs: Sequence[str]


Result: TypeAlias = dict[str, Array] | ApiError


def run_all(model: Model, works: Sequence[Work], *, may_join: bool) -> list[Result]:
    """Return the result of each request; requests share a run if they `may_join`.

    If a joined run fails, or its results cannot be split, the requests run one by one: one bad request does not fail
    the others.
    """
    if may_join and len(works) > 1 and _fit_together(works):
        results = _run_joined(model, works)
        if results is not None:
            return results
    return [_run(model, work) for work in works]


def _run(model: Model, work: Work) -> Result:
    try:
        return model.predict(work.inputs, work.outputs)
    except ApiError as error:
        return error


def _fit_together(works: Sequence[Work]) -> bool:
    first = _beyond_rows(works[0])
    return all(_beyond_rows(work) == first for work in works[1:])


def _beyond_rows(work: Work) -> dict[str, tuple[int, ...]]:
    return {name: array.shape[1:] for name, array in work.inputs.items()}


def _run_joined(model: Model, works: Sequence[Work]) -> list[Result] | None:
    outputs = list(dict.fromkeys(name for work in works for name in work.outputs))
    whole = _run(model, Work(joined([work.inputs for work in works]), outputs))
    if isinstance(whole, ApiError):
        return None
    first = next(iter(works[0].inputs))
    try:
        parts = split_results(whole, [len(work.inputs[first]) for work in works])
    except UnsplittableError:
        return None
    return [{name: part[name] for name in work.outputs} for work, part in zip(works, parts, strict=True)]
