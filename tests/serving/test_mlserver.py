"""MLServer for real, with its runtimes for scikit-learn, XGBoost, LightGBM, CatBoost and MLflow."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from modelformats import extract_signature
from support.processes import answers
from support.serving_runtimes import Runtime, Served, run_program, toolchain_python
from support.tensor_names import assert_same_tensors
from support.v2_client import tensor
from support.waiting import eventually

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.1, 5.6, 2.4], [6.0, 2.7, 5.1, 1.6]]
FLAT = [value for row in ROWS for value in row]
FORMATS = {
    **dict.fromkeys(("sklearn", "named", "scaler"), "SKLearn"),
    **dict.fromkeys(("xgboost", "targets"), "XGBoost"),
    "lightgbm": "LightGBM",
    "catboost": "CatBoost",
    **dict.fromkeys(("tensor", "unsigned", "columns"), "MLflow"),
}
"""Directories that the program `mlserver_models` creates: MLflow models with signatures of either kind, and without."""
ONE_TENSOR = {
    **dict.fromkeys(("sklearn", "scaler", "xgboost", "targets", "lightgbm", "catboost"), "input"),
    "tensor": "input-0",
    "unsigned": "anything",
}
"""The name of a model's only input."""
FILES = {
    "MLmodel",
    "classifier.joblib",
    "scaler.joblib",
    "classifier.json",
    "targets.ubj",
    "leaves.lgb",
    "oblivious.cbm",
}
COLUMNS = ["named", "columns"]
SIGNED = [name for name in FORMATS if name != "unsigned"]


@dataclass
class Case:
    served: Served
    expected: dict[str, Any]


Cases = Callable[[str], Case]


@pytest.fixture(scope="module")
def mlserver(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return Runtime("kleverserve.mlserver", toolchain_python("mlserver"), logs=tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def models(mlserver: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    run_program(mlserver.python, "mlserver_models", directory)
    return directory


@pytest.fixture(scope="module")
def cases(mlserver: Runtime, models: Path) -> Iterator[Cases]:
    """Servers by directory, started on demand."""
    with ExitStack() as stack:
        made: dict[str, Case] = {}

        def case(name: str) -> Case:
            if name not in made:
                served = stack.enter_context(mlserver.serving(models / name, FORMATS[name]))
                made[name] = Case(served, json.loads((models / name / "expected.json").read_text()))
            return made[name]

        yield case


def columns(rows: list[list[float]], names: list[str], *more: int) -> list[dict[str, Any]]:
    return [tensor(name, "FP64", [len(rows), *more], [row[index] for row in rows]) for index, name in enumerate(names)]


@pytest.mark.parametrize("name", ONE_TENSOR)
async def test_rest_gives_the_same_answers_as_the_framework(cases: Cases, name: str) -> None:
    case = cases(name)
    status, answer = await case.served.infer(tensor(ONE_TENSOR[name], "FP32", [3, 4], FLAT))
    assert status == 200
    assert answer["model_version"] == "v1"
    [output] = answer["outputs"]
    expected = np.array(case.expected["predicted"])
    assert output["shape"] == list(expected.shape)
    np.testing.assert_allclose(output["data"], expected.ravel(), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", ONE_TENSOR)
def test_grpc_gives_the_same_answers_as_the_framework(cases: Cases, name: str) -> None:
    case = cases(name)
    [output] = case.served.infer_by_grpc(tensor(ONE_TENSOR[name], "FP32", [3, 4], ROWS)).values()
    np.testing.assert_allclose(output["data"], np.ravel(case.expected["predicted"]), rtol=1e-6, atol=1e-5)


async def test_probabilities_are_returned_on_request(cases: Cases) -> None:
    case = cases("sklearn")
    _, answer = await case.served.infer(tensor("input", "FP32", [3, 4], FLAT), outputs=["predict_proba"])
    [output] = answer["outputs"]
    np.testing.assert_allclose(output["data"], np.ravel(case.expected["probabilities"]), rtol=1e-6)


@pytest.mark.parametrize("more", [(), (1,)], ids=["vectors", "matrices"])
@pytest.mark.parametrize("name", COLUMNS)
async def test_a_model_of_named_columns_takes_one_tensor_each(cases: Cases, name: str, more: tuple[int, ...]) -> None:
    case = cases(name)
    names = [spec["name"] for spec in (await case.served.metadata())["inputs"]]
    assert len(names) == 4
    status, answer = await case.served.infer(*columns(ROWS, names, *more))
    assert (status, answer["outputs"][0]["data"]) == (200, case.expected["predicted"])


@pytest.mark.parametrize("name", SIGNED)
async def test_the_catalogue_knows_the_same_tensors(cases: Cases, models: Path, name: str) -> None:
    (files,) = {path.parent for path in (models / name / "model").rglob("*") if path.name in FILES}
    assert_same_tensors(extract_signature(FORMATS[name], files), await cases(name).served.metadata())


@pytest.mark.parametrize("name", SIGNED)
async def test_the_metadata_describe_inputs_and_outputs(cases: Cases, name: str) -> None:
    case = cases(name)
    metadata = await case.served.metadata()
    shapes = [[1, *spec["shape"][1:]] for spec in metadata["inputs"]]
    inputs = [
        tensor(spec["name"], spec["datatype"], shape, [0] * prod(shape))
        for spec, shape in zip(metadata["inputs"], shapes, strict=True)
    ]
    _, answer = await case.served.infer(*inputs, outputs=[spec["name"] for spec in metadata["outputs"]])
    described = [(spec["name"], spec["datatype"], spec["shape"]) for spec in metadata["outputs"]]
    assert described == [(each["name"], each["datatype"], [-1, *each["shape"][1:]]) for each in answer["outputs"]]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("shape", [[2, 3], [2, 4]], ids=["columns", "count"])
async def test_inputs_that_do_not_fit_the_model_are_a_bad_request(cases: Cases, name: str, shape: list[int]) -> None:
    status, answer = await cases(name).served.infer(tensor(ONE_TENSOR.get(name, "input"), "FP32", shape, [0.0] * 6))
    assert status == 400
    assert answer["error"].startswith("the model ")


@pytest.mark.parametrize("name", ["input-0", "X"])
@pytest.mark.parametrize("model", ["sklearn", "xgboost", "named"])
async def test_a_tensor_of_another_name_is_refused_with_the_right_one(cases: Cases, model: str, name: str) -> None:
    status, answer = await cases(model).served.infer(tensor(name, "FP64", [3, 4], FLAT))
    assert (status, answer["error"]) == (
        400,
        f"the model has the inputs {await taken(cases(model))}; the request has '{name}'",
    )


async def taken(case: Case) -> str:
    return ", ".join(f"'{spec['name']}'" for spec in (await case.served.metadata())["inputs"])


async def test_a_model_without_a_signature_is_probed_with_its_estimators_columns(cases: Cases) -> None:
    metadata = await cases("unsigned").served.metadata()
    assert [(each["name"], each["datatype"], each["shape"]) for each in metadata["inputs"]] == [
        ("input-0", "FP64", [-1, 4])
    ]
    assert [(each["datatype"], each["shape"]) for each in metadata["outputs"]] == [("INT64", [-1])]


def test_a_model_without_a_signature_that_cannot_run_is_not_served(mlserver: Runtime, models: Path) -> None:
    ended = mlserver.run_to_the_end(models / "unsigned-broken", "MLflow")
    assert ended.returncode == 3
    assert "the model was loaded but fails when it is run" in ended.stderr


async def test_requests_are_not_batched_whatever_the_environment_says(mlserver: Runtime, models: Path) -> None:
    size, seconds = "MLSERVER_MODEL_MAX_BATCH_SIZE", "MLSERVER_MODEL_MAX_BATCH_TIME"
    batching = replace(mlserver, extra={size: "100", seconds: "300"})  # a request that waits for a batch waits for ever
    expected = json.loads((models / "sklearn" / "expected.json").read_text())["predicted"]
    with batching.serving(models / "sklearn", "SKLearn") as served:
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*(served.infer(tensor("input", "FP64", [1, 4], row)) for row in ROWS * 4))
    assert [status for status, _ in answers] == [200] * 12
    assert [answer["outputs"][0]["data"] for _, answer in answers] == [[each] for each in expected * 4]


async def test_a_request_in_flight_at_sigterm_is_answered(mlserver: Runtime, models: Path) -> None:
    started, terminated = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        started.set()  # after "100 Continue" the server handles the request
        yield b'{"inputs": [{"name": "input", "datatype": "FP32", '
        await terminated.wait()
        yield b'"shape": [1, 4], "data": [5.1, 3.5, 1.4, 0.2]}]}'

    with mlserver.serving(models / "sklearn", "SKLearn", "--drain-seconds", "30") as served:
        async with aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as session:
            pending = asyncio.create_task(session.post(f"{served.url}/infer", data=body(), expect100=True))
            await started.wait()
            served.process.send_signal(signal.SIGTERM)
            await eventually(lambda: refuses(served.port))
            assert served.process.poll() is None
            terminated.set()
            async with await pending as response:
                assert (await response.json())["outputs"][0]["data"] == [0]
        assert await asyncio.to_thread(served.process.wait, 15) == 0


async def refuses(port: int) -> bool:
    return not await asyncio.to_thread(answers, port)


async def test_a_stalled_client_does_not_outlive_the_drain(mlserver: Runtime, models: Path) -> None:
    started, never = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        started.set()
        yield b"{"
        await never.wait()

    with mlserver.serving(models / "sklearn", "SKLearn", "--drain-seconds", "0.5") as served:
        async with aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as session:
            pending = asyncio.create_task(session.post(f"{served.url}/infer", data=body(), expect100=True))
            await started.wait()
            served.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(served.process.wait, 15) == 0
            with pytest.raises(aiohttp.ClientError):
                await pending


def test_no_process_survives_a_kill(mlserver: Runtime, models: Path) -> None:
    with mlserver.serving(models / "sklearn", "SKLearn") as served:
        assert len(served.family()) == 1, "MLServer runs in the launcher's own process"
        served.process.kill()
        served.process.wait()
        assert not answers(served.port)
        assert not answers(served.grpc_port)


@pytest.mark.parametrize(
    ("model_format", "file"), [("SKLearn", "m.joblib"), ("XGBoost", "m.json"), ("MLflow", "MLmodel")]
)
def test_a_broken_model_exits_3_with_the_reason(
    mlserver: Runtime, tmp_path: Path, model_format: str, file: str
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / file).write_bytes(b"\x00 this is no model")
    ended = mlserver.run_to_the_end(tmp_path, model_format)
    assert ended.returncode == 3
    messages = [line for line in ended.stderr.splitlines() if line.startswith("kleverserve: ")]
    assert len(messages) == 1
    assert messages[0].startswith("kleverserve: cannot load the model: ")
    assert "Traceback" not in ended.stderr + ended.stdout


def test_a_missing_model_or_a_port_in_use_exits_at_once(
    mlserver: Runtime, cases: Cases, models: Path, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    ended = mlserver.run_to_the_end(tmp_path, "XGBoost")
    assert (ended.returncode, ended.stderr.count("\n")) == (3, 1)
    taken = mlserver.run_to_the_end(models / "sklearn", "SKLearn", "--port", str(cases("sklearn").served.port))
    assert taken.returncode == 1
    assert taken.stderr.startswith("kleverserve: cannot listen on 127.0.0.1:")
