"""Requests that share a run of the model."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kleverserve.batching import Batcher, allowed_batch_rows, batch_key, joined, split_results
from kleverserve.errors import ExecutionError, InvalidRequestError, ModelLoadError
from kleverserve.lane import Lane, ResultT
from kleverserve.model import TensorSpec
from kleverserve.protocol import InferRequest
from kleverserve.tensors import Array, Datatype
from support.echo_model import EchoModel
from support.waiting import others

BAD = 13


class Doubler(EchoModel):
    """Doubles its input once it may continue; refuses 13."""

    row_wise = True

    def __init__(self) -> None:
        super().__init__([TensorSpec("x", Datatype.FP32, (-1, -1))])
        self.entered = threading.Event()
        self.resume = threading.Event()
        self.resume.set()

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        self.entered.set()
        self.resume.wait(10)
        if BAD in inputs["x"]:
            raise InvalidRequestError("the model refuses 13")
        return dict.fromkeys(outputs, inputs["x"] * 2)


@pytest.fixture
def lane() -> Iterator[Lane]:
    with ThreadPoolExecutor(1) as pool:
        yield Lane(pool)


def infer_request(model: EchoModel, *rows: list[float]) -> InferRequest:
    return InferRequest(None, {"x": np.array(rows, np.float32)}, model.outputs)


async def a_turn_of_the_loop() -> None:
    await asyncio.to_thread(bool)


def values(results: Mapping[str, Array]) -> list[list[float]]:
    rows: list[list[float]] = results["x_out"].tolist()
    return rows


async def test_requests_that_arrive_during_a_run_share_the_next_run(lane: Lane) -> None:
    model, runs = Doubler(), list[int]()
    batcher = Batcher(model, lane, max_rows=4, observe=runs.append)
    model.resume.clear()
    first = asyncio.create_task(batcher.predict(infer_request(model, [0])))
    await asyncio.to_thread(model.entered.wait, 10)
    others = [asyncio.create_task(batcher.predict(infer_request(model, [n], [n + 0.5]))) for n in range(1, 4)]
    await a_turn_of_the_loop()
    model.resume.set()
    assert values(await first) == [[0]]
    assert [values(each) for each in await asyncio.gather(*others)] == [[[2 * n], [2 * n + 1]] for n in range(1, 4)]
    assert runs == [1, 4, 2]


async def test_a_slow_model_runs_in_its_allowed_number_of_threads() -> None:
    model, runs = Doubler(), list[int]()
    model.resume.clear()
    with ThreadPoolExecutor(2) as pool:
        batcher = Batcher(model, Lane(pool), max_rows=4, observe=runs.append, runs_at_once=2)
        first = asyncio.create_task(batcher.predict(infer_request(model, [0])))
        await asyncio.to_thread(model.entered.wait, 10)
        model.entered.clear()
        second = asyncio.create_task(batcher.predict(infer_request(model, [1])))
        assert await asyncio.to_thread(model.entered.wait, 10)
        third = [asyncio.create_task(batcher.predict(infer_request(model, [n]))) for n in (2, 3)]
        await a_turn_of_the_loop()
        model.resume.set()
        answers = [values(each)[0][0] for each in await asyncio.gather(first, second, *third)]
    assert (answers, runs) == ([0, 2, 4, 6], [1, 1, 2])


async def test_requests_of_another_kind_and_oversized_ones_run_alone(lane: Lane) -> None:
    model, runs = Doubler(), list[int]()
    batcher = Batcher(model, lane, max_rows=2, observe=runs.append)
    requests = [infer_request(model, [1]), infer_request(model, [1, 2]), infer_request(model, [3], [4], [5])]
    answers = await asyncio.gather(*(batcher.predict(request) for request in requests))
    assert [values(each) for each in answers] == [[[2]], [[2, 4]], [[6], [8], [10]]]
    assert runs == [1, 1, 3]


async def test_a_bad_request_fails_no_other(lane: Lane) -> None:
    model = Doubler()
    batcher = Batcher(model, lane, max_rows=8, observe=lambda _rows: None)
    tasks = [batcher.predict(infer_request(model, [n])) for n in (1, BAD, 3)]
    good, bad, other = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(good, dict)
    assert isinstance(other, dict)
    assert (values(good), values(other)) == ([[2]], [[6]])
    assert isinstance(bad, InvalidRequestError)


async def test_a_client_that_disconnects_affects_no_other(lane: Lane) -> None:
    model = Doubler()
    batcher = Batcher(model, lane, max_rows=8, observe=lambda _rows: None)
    leaving = asyncio.create_task(batcher.predict(infer_request(model, [1])))
    staying = asyncio.create_task(batcher.predict(infer_request(model, [2])))
    await a_turn_of_the_loop()
    leaving.cancel()
    assert values(await staying) == [[4]]
    assert values(await batcher.predict(infer_request(model, [5]))) == [[10]]


def test_only_requests_with_the_same_row_shape_and_outputs_are_of_one_kind() -> None:
    model = Doubler()
    one, same, wide = infer_request(model, [1]), infer_request(model, [2], [3]), infer_request(model, [1, 2])
    fewer = InferRequest(None, one.inputs, [])
    assert batch_key(one) == batch_key(same)
    assert len({batch_key(one), batch_key(wide), batch_key(fewer)}) == 3
    assert joined([one.inputs, same.inputs])["x"].tolist() == [[1], [2], [3]]


def test_results_are_split_as_they_were_joined() -> None:
    array = np.arange(6).reshape(6, 1)
    assert [each["y"].tolist() for each in split_results({"y": array}, [1, 3, 2])] == [
        [[0]],
        [[1], [2], [3]],
        [[4], [5]],
    ]
    with pytest.raises(ExecutionError, match="for 5 rows"):
        split_results({"y": array}, [2, 3])


@pytest.mark.parametrize(
    ("row_wise", "shape", "given", "rows"),
    [
        (True, (-1, 2), None, 64),
        (False, (-1, 2), None, 1),
        (False, (-1, 2), 8, 8),
        (True, (-1, 2), 1, 1),
        (True, None, None, 1),
    ],
)
def test_only_models_whose_rows_are_independent_share_runs(
    *, row_wise: bool, shape: tuple[int, ...] | None, given: int | None, rows: int
) -> None:
    model = EchoModel([TensorSpec("x", Datatype.FP32, shape)])
    model.row_wise = row_wise
    assert allowed_batch_rows(model, given) == rows


class Summing(Doubler):
    """Adds the sum of all rows to each row."""

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        return dict.fromkeys(outputs, inputs["x"] + inputs["x"].sum())


def test_a_number_of_rows_does_not_override_dependent_rows() -> None:
    with pytest.raises(ModelLoadError, match=r'^maxBatchRows: .* not independent: output "x_out" .*: leave maxBatch'):
        allowed_batch_rows(Summing(), 32)
    assert (allowed_batch_rows(Summing(), 1), allowed_batch_rows(Summing(), None)) == (1, 1)


def test_a_number_of_rows_is_refused_for_a_model_without_rows() -> None:
    with pytest.raises(ModelLoadError, match=r'^maxBatchRows: .*: input "x" has the shape \[3, 2\]'):
        allowed_batch_rows(EchoModel([TensorSpec("x", Datatype.FP32, (3, 2))]), 8)


class Choosy(Doubler):
    """Refuses all generated inputs."""

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        del inputs, outputs
        raise InvalidRequestError("only values above 1000")


def test_a_number_of_rows_is_refused_if_independence_cannot_be_shown() -> None:
    model = Choosy()
    assert allowed_batch_rows(model, 8) == 8  # its engine is known to process one row after the other
    model.row_wise = False
    with pytest.raises(ModelLoadError, match=r"^maxBatchRows: it cannot be shown .* rejects generated rows"):
        allowed_batch_rows(model, 8)


class Growing(Doubler):
    """Returns a row for each value above 1 of any request, which no sample has shown."""

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        return dict.fromkeys(outputs, inputs["x"][inputs["x"][:, 0] > 1])


async def test_a_result_that_cannot_be_split_is_answered_alone_and_disables_sharing(lane: Lane) -> None:
    model, runs = Growing(), list[int]()
    batcher = Batcher(model, lane, max_rows=8, observe=runs.append)
    both = await asyncio.gather(batcher.predict(infer_request(model, [0])), batcher.predict(infer_request(model, [2])))
    assert [values(each) for each in both] == [[], [[2]]]
    assert not batcher.is_on
    await asyncio.gather(*(batcher.predict(infer_request(model, [2])) for _ in range(3)))
    assert runs == [2, 1, 1, 1, 1, 1]


async def test_a_request_without_rows_shares_no_run(lane: Lane) -> None:
    model, runs = Doubler(), list[int]()
    batcher = Batcher(model, lane, max_rows=8, observe=runs.append)
    empty = InferRequest(None, {"x": np.zeros((0, 1), np.float32)}, model.outputs)
    both = await asyncio.gather(batcher.predict(empty), batcher.predict(infer_request(model, [2])))
    assert [values(each) for each in both] == [[], [[4]]]
    assert runs == [1]


class TurnLane(Lane):
    """Runs calls after exactly one turn of the event loop."""

    def __init__(self) -> None:
        """Without a pool."""

    async def run(self, work: Callable[[], ResultT], *, size: int) -> ResultT:
        del size
        await others(1)
        return work()


@pytest.mark.parametrize("turns", range(12))
async def test_a_request_that_arrives_as_a_run_ends_is_answered(turns: int) -> None:
    """It may arrive in any turn of the loop, also between a runner's last check and the end of its task."""
    batcher = Batcher(Doubler(), TurnLane(), max_rows=4, observe=list[int]().append)

    async def after(turns: int) -> Mapping[str, Array]:
        await others(turns)
        return await batcher.predict(infer_request(Doubler(), [1]))

    both = [asyncio.create_task(after(0)), asyncio.create_task(after(turns))]
    await others(100)  # answers need only a few
    assert [task.done() for task in both] == [True, True]
    assert [values(task.result()) for task in both] == [[[2]], [[2]]]
