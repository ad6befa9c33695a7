"""Combines requests to one run of the model, and splits the results.

The batcher never waits: all requests that arrive while the model runs, or in the same iteration of the event loop, are
combined to the next run. Only for models whose rows are independent of each other.
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
    """The number of rows of an output differs from that of the inputs, so that they cannot be assigned to requests."""


def allowed_batch_rows(model: Model, asked_for: int | None) -> int:
    """Return the maximum number of rows of a batch; 1 if requests must not be combined.

    By default, only models that declare their rows independent are batched; with a number from the user, every model
    is. Both are verified by running rows alone and together. If a model declares independence but rejects the generated
    rows, the declaration is trusted.

    Raises:
        ModelLoadError: a number is set, but rows are not independent, or may not be.
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


def row_count(request: InferRequest) -> int | None:
    """Return the number of rows of a request; None if its inputs differ."""
    counts = {array.shape[0] for array in request.inputs.values()}
    return counts.pop() if len(counts) == 1 else None


def batch_key(request: InferRequest) -> tuple[object, ...]:
    """Return a key of requests that can share a run: equal shapes of rows, and equal outputs."""
    shapes = tuple((name, array.shape[1:]) for name, array in sorted(request.inputs.items()))
    return (*shapes, *(spec.name for spec in request.outputs))


def joined(inputs: Sequence[Mapping[str, Array]]) -> Results:
    """Concatenate the inputs of several requests."""
    return {name: np.concatenate([each[name] for each in inputs]) for name in inputs[0]}


def split_results(results: Mapping[str, Array], counts: Sequence[int]) -> list[Results]:
    """Split the results by request, in order.

    Raises:
        UnsplittableError: the number of rows of an output differs from that of the inputs.
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
    """Runs a model on requests, several at a time if possible.

    Args:
        model: the model.
        lane: runs the model.
        max_rows: maximum number of rows of a run with several requests; 1 disables batching.
        observe: called with the number of rows of each run.
        runs_at_once: maximum number of parallel runs, in threads.
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
        self._tasks: set[asyncio.Task[None]] = set()  # the event loop keeps only weak references

    @property
    def is_on(self) -> bool:
        """True if batching is enabled."""
        return self._max_rows > 1

    async def predict(self, request: InferRequest) -> Results:
        """Return the requested outputs. Raises ApiError."""
        rows = row_count(request)
        if not rows:  # the rows cannot be distinguished from those of other requests
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
        """Run until no request waits. Starts one iteration of the loop after the first request, with all that arrived.

        A runner stops counting in the same iteration in which it finds no request. Its task is done only one iteration
        later, and a request that arrives in between would wait for a runner that never checks again.
        """
        try:
            while self._waiting:
                await self._answer(self._next())
        finally:
            self._running -= 1

    def _next(self) -> list[_Waiting]:
        first = self._waiting.popleft()
        chosen, rows, kind = [first], first.rows, batch_key(first.request)
        while self._waiting and rows + self._waiting[0].rows <= self._max_rows:
            if batch_key(self._waiting[0].request) != kind:
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
            await self._run_one_by_one(chosen, error)
            return
        except Exception as error:  # noqa: BLE001 - every waiting request must get an outcome, whatever it is
            await self._run_one_by_one(chosen, error)
            return
        for each, result in zip(chosen, results, strict=True):
            _settle(each, result)

    async def _run_one_by_one(self, chosen: list[_Waiting], error: Exception) -> None:
        """Run the requests one by one, so that one bad request does not fail the others."""
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
        return split_results(self._model.predict(joined([request.inputs for request in requests]), names), counts)


def run(model: Model, request: InferRequest) -> Results:
    """Return the outputs of one request. Raises ApiError."""
    return model.predict(request.inputs, [spec.name for spec in request.outputs])


def _settle(waiting: _Waiting, outcome: Results | Exception) -> None:
    if waiting.answer.done():  # the client has disconnected
        return
    if isinstance(outcome, Exception):
        waiting.answer.set_exception(outcome if isinstance(outcome, ApiError) else ExecutionError(str(outcome)))
    else:
        waiting.answer.set_result(outcome)
