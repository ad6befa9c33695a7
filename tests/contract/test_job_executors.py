"""The contract of every job executor (klever_jobrunner.ports.JobExecutor)."""

import os
import pickle
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from klever_jobrunner.adapters.inline import InlineExecutor
from klever_jobrunner.adapters.worker_pool import WorkerPool
from klever_jobrunner.errors import INVALID_MODEL, UNSUPPORTED_FORMAT, JobError
from klever_jobrunner.ports import JobExecutor
from support.small_models import adder, broken


@pytest.fixture(params=["inline", "pool"])
async def executor(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JobExecutor]:
    if request.param == "inline":
        yield InlineExecutor()
        return
    async with WorkerPool(tmp_path, workers=1) as pool:
        yield pool


async def test_a_model_has_a_signature(executor: JobExecutor, tmp_path: Path) -> None:
    signature = await executor.extract(adder(tmp_path / "m", 1) / "model", "ONNX")
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in signature.inputs] == [("x", "float32", ("N",))]
    assert signature.operators == {"Add": 1}


async def test_a_missing_format_is_detected_from_the_files(executor: JobExecutor, tmp_path: Path) -> None:
    signature = await executor.extract(adder(tmp_path / "m", 1) / "model", None)
    assert signature.operators == {"Add": 1}


async def test_a_damaged_model_is_an_error_of_the_model_and_not_of_the_executor(
    executor: JobExecutor, tmp_path: Path
) -> None:
    with pytest.raises(JobError) as failure:
        await executor.extract(broken(tmp_path / "broken") / "model", "ONNX")
    assert failure.value.code == INVALID_MODEL
    await executor.extract(adder(tmp_path / "good", 1) / "model", "ONNX")


async def test_files_of_an_unknown_format_are_refused_with_advice(executor: JobExecutor, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(JobError, match=r"set `format:` in ormbfile\.yaml") as failure:
        await executor.extract(tmp_path, None)
    assert failure.value.code == UNSUPPORTED_FORMAT


class Writes:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (os.system, (f"touch {self.path}",))


async def test_no_code_of_a_model_runs(executor: JobExecutor, tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.pkl").write_bytes(pickle.dumps(Writes(mark)))
    with suppress(JobError):
        await executor.extract(tmp_path / "model", "SKLearn")
    assert not mark.exists()


async def test_code_in_a_pickle_is_reported_and_does_not_run(executor: JobExecutor, tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.pkl").write_bytes(pickle.dumps(Writes(mark)))
    verdict = await executor.scan(tmp_path / "model")
    assert (verdict.verdict, verdict.findings[0].file) == ("dangerous", "model.pkl")
    assert not mark.exists()


async def test_a_model_without_pickles_is_clean(executor: JobExecutor, tmp_path: Path) -> None:
    assert (await executor.scan(adder(tmp_path / "m", 1) / "model")).verdict == "clean"
