"""Requests put together into one run of the model, and its results taken apart again.

Nothing waits for company: what has arrived while the model was running, or in the same turn of the event loop, goes
into the next run together. Only for models whose rows are independent of each other.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from modelfiles.runtimes import TABULAR_ROWS

from .errors import ApiError, ExecutionError, ModelLoadError
from .independence import judge
from .lane import Lane
from .model import Model
from .protocol import InferRequest
from .tensors import Array

Results: TypeAlias = dict[str, Array]
OPTION = "maxBatchRows"
NOT_KNOWN = "it cannot be shown that this model's rows are independent"

log = logging.getLogger(__name__)


class UnsplittableError(ExecutionError):
    """An output has another number of rows than went in, so that nobody knows whose they are."""


def rows_at_most(model: Model, asked_for: int | None) -> int:
    """Rows that requests may be put together to; 1 where they must not.

    Without a number of the user's only models say so that know their rows to be independent; with one, every model
    may. Either way the model has to show it, by running rows alone and together; a model that knows it and refuses
    what is made up for it, is believed.

    Raises:
        ModelLoadError: a number was asked for, and rows are not independent, or may not be.
    """
    wanted = asked_for or (TABULAR_ROWS if model.row_wise else 1)
    if wanted == 1:
        return 1
    verdict = judge(model, wanted)
    if verdict.independent or (verdict.independent is None and model.row_wise):
        return wanted
    if asked_for is not None:
        known = "this model's rows are not independent" if verdict.independent is False else NOT_KNOWN
        raise ModelLoadError(f"{OPTION}: {known}: {verdict.reason}: leave {OPTION} out")
    log.info("requests do not share runs: %s", verdict.reason)
    return 1


def rows_of(request: InferRequest) -> int | None:
    """How many rows a request has; None where its inputs do not agree."""
    counts = {array.shape[0] for array in request.inputs.values()}
    return counts.pop() if len(counts) == 1 else None


def kind_of(request: InferRequest) -> tuple[object, ...]:
    """Requests of the same kind can share a run: the shapes of their rows, and the outputs they want, are the same."""
    shapes = tuple((name, array.shape[1:]) for name, array in sorted(request.inputs.items()))
    return (*shapes, *(spec.name for spec in request.outputs))


def joined(inputs: Sequence[Mapping[str, Array]]) -> Results:
    """The inputs of one run for those of several requests."""
    return {name: np.concatenate([each[name] for each in inputs]) for name in inputs[0]}


def parted(results: Mapping[str, Array], counts: Sequence[int]) -> list[Results]:
    """The results of each request, in their order.

    Raises:
        UnsplittableError: an output has another number of rows than went in.
    """
    total = sum(counts)
    for name, array in results.items():
        if array.shape[:1] != (total,):
            raise UnsplittableError(f"output '{name}' has shape {list(array.shape)} for {total} rows")
    ends = np.cumsum(counts)
    return [
        {name: array[end - count : end] for name, array in results.items()}
        for count, end in zip(counts, ends, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: InferRequest
    rows: int
    answer: "asyncio.Future[Results]"


class Batcher:
    """Runs a model on requests, several at a time where that can be.

    Args:
        model: what runs.
        lane: where it runs.
        max_rows: rows of one run, unless a single request has more; 1 for no company.
        observe: called with the number of rows of each run.
        runs_at_once: how many runs may be in progress at a time, in threads.
    """

    def __init__(
        self, model: Model, lane: Lane, *, max_rows: int, observe: Callable[[int], None], runs_at_once: int = 1
    ) -> None:
        self._model = model
        self._lane = lane
        self._max_rows = max_rows
        self._observe = observe
        self._waiting: deque[_Waiting] = deque()
        self._runs_at_once = runs_at_once
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references

    @property
    def is_on(self) -> bool:
        """Whether requests are put together at all."""
        return self._max_rows > 1

    async def predict(self, request: InferRequest) -> Results:
        """The outputs that a request wants. Raises ApiError."""
        rows = rows_of(request)
        if not rows:  # none that can be distinguished from those of others
            return await self._lane.run(lambda: run(self._model, request), size=0)
        waiting = _Waiting(request, rows, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._running < self._runs_at_once:
            self._start_runner()
        return await waiting.answer

    def _start_runner(self) -> None:
        self._running += 1
        runner = asyncio.create_task(self._run())
        self._tasks.add(runner)
        runner.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        """Until nobody waits; begins a turn of the loop after the first request, with all that came in that turn.

        A runner stops counting in the very turn in which it finds nobody waiting. Its task is done only a turn
        later, and a request that came in between would wait for a runner that never looks again.
        """
        try:
            while self._waiting:
                await self._answer(self._next())
        finally:
            self._running -= 1

    def _next(self) -> list[_Waiting]:
        first = self._waiting.popleft()
        chosen, rows, kind = [first], first.rows, kind_of(first.request)
        while self._waiting and rows + self._waiting[0].rows <= self._max_rows:
            if kind_of(self._waiting[0].request) != kind:
                break
            rows += self._waiting[0].rows
            chosen.append(self._waiting.popleft())
        return chosen

    async def _answer(self, chosen: list[_Waiting]) -> None:
        requests, counts = [each.request for each in chosen], [each.rows for each in chosen]
        try:
            results = await self._lane.run(lambda: self._predict(requests, counts), size=0)
        except UnsplittableError as error:
            log.warning("requests do not share runs any more: %s", error)
            self._max_rows = 1
            await self._answer_alone(chosen, error)
            return
        except Exception as error:  # noqa: BLE001 - every waiting request must get an outcome, whatever it is
            await self._answer_alone(chosen, error)
            return
        for each, result in zip(chosen, results, strict=True):
            _settle(each, result)

    async def _answer_alone(self, chosen: list[_Waiting], error: Exception) -> None:
        """One bad request fails no other."""
        if len(chosen) == 1:
            _settle(chosen[0], error)
            return
        for each in chosen:
            await self._answer([each])

    def _predict(self, requests: list[InferRequest], counts: list[int]) -> list[Results]:
        self._observe(sum(counts))
        if len(requests) == 1:
            return [run(self._model, requests[0])]
        names = [spec.name for spec in requests[0].outputs]
        return parted(self._model.predict(joined([request.inputs for request in requests]), names), counts)


def run(model: Model, request: InferRequest) -> Results:
    """The outputs of one request. Raises ApiError."""
    return model.predict(request.inputs, [spec.name for spec in request.outputs])


def _settle(waiting: _Waiting, outcome: Results | Exception) -> None:
    if waiting.answer.done():  # its client has left
        return
    if isinstance(outcome, Exception):
        waiting.answer.set_exception(outcome if isinstance(outcome, ApiError) else ExecutionError(str(outcome)))
    else:
        waiting.answer.set_result(outcome)
