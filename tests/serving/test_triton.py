"""Triton Inference Server for real, with our adapters in its python backend."""

import asyncio
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import psutil
import pytest
from onnx import ModelProto

from kleverserve.triton.folder import SHARED_MEMORY
from support import onnx_models
from support.processes import answers, free_port
from support.serving_runtimes import PACKAGES, Runtime, Served, toolchain_python
from support.v2_client import tensor
from support.waiting import eventually

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.1, 5.6, 2.4]]
FLAT = [value for row in ROWS for value in row]
SECONDS_OF_WORK = 3_000_000
"""Steps of the loop model that take several seconds."""


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    folder = tmp_path_factory.mktemp("triton")
    return Runtime("kleverserve.triton", toolchain_python("triton"), logs=folder, extra={"TMPDIR": str(folder)})


@pytest.fixture(scope="module")
def iris(triton: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    directory = onnx_models.model_directory(onnx_models.iris_classifier(), tmp_path_factory.mktemp("iris") / "m")
    with triton.serving(directory, "ONNX") as served:
        yield served, directory


def model(made: ModelProto, directory: Path) -> Path:
    return onnx_models.model_directory(made, directory / "m")


def by_onnxruntime(directory: Path, rows: list[list[float]]) -> tuple[list[int], list[float]]:
    session = onnxruntime.InferenceSession(directory / "model" / "model.onnx", providers=["CPUExecutionProvider"])
    labels, maps = session.run(None, {"X": np.array(rows, np.float32)})
    return labels.tolist(), [value for row in maps for value in row.values()]


async def test_rest_gives_the_same_answers_as_onnxruntime(iris: tuple[Served, Path]) -> None:
    served, directory = iris
    labels, probabilities = by_onnxruntime(directory, ROWS)
    status, answer = await served.infer(tensor("X", "FP32", [2, 4], FLAT))
    assert status == 200
    label, probability = answer["outputs"]
    assert (label["name"], label["datatype"], label["shape"], label["data"]) == ("output_label", "INT64", [2], labels)
    assert probability["shape"] == [2, 3]
    np.testing.assert_array_equal(np.array(probability["data"], np.float32), np.array(probabilities, np.float32))


def test_grpc_gives_the_same_answers_as_onnxruntime(iris: tuple[Served, Path]) -> None:
    served, directory = iris
    labels, probabilities = by_onnxruntime(directory, ROWS)
    outputs = served.infer_by_grpc(tensor("X", "FP32", [2, 4], ROWS))
    assert outputs["output_label"]["data"] == labels
    np.testing.assert_array_equal(
        np.array(outputs["output_probability"]["data"], np.float32), np.array(probabilities, np.float32)
    )


async def test_only_the_requested_outputs_are_returned(iris: tuple[Served, Path]) -> None:
    status, answer = await iris[0].infer(tensor("X", "FP32", [1, 4], ROWS[0]), outputs=["output_probability"])
    assert (status, [output["name"] for output in answer["outputs"]]) == (200, ["output_probability"])


async def test_the_metadata_come_from_the_adapter(iris: tuple[Served, Path]) -> None:
    metadata = await iris[0].metadata()
    assert metadata["versions"] == ["1"]
    assert metadata["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 4]}]
    assert [output["shape"] for output in metadata["outputs"]] == [[-1], [-1, 3]]


@pytest.mark.parametrize(
    "wrong",
    [
        tensor("X", "FP32", [2, 3], [0.0] * 6),
        tensor("X", "INT64", [1, 4], [1, 2, 3, 4]),
        tensor("Y", "FP32", [1, 4], [0.0] * 4),
    ],
    ids=["shape", "datatype", "name"],
)
async def test_inputs_that_do_not_fit_the_model_are_a_bad_request(
    iris: tuple[Served, Path], wrong: dict[str, object]
) -> None:
    status, answer = await iris[0].infer(wrong)
    assert status == 400, answer
    assert answer["error"]


async def test_data_that_do_not_fit_their_shape_are_refused_by_triton_itself(iris: tuple[Served, Path]) -> None:
    _status, answer = await iris[0].infer(tensor("X", "FP32", [2, 4], [0.0] * 7))  # this release answers 500
    assert "Shape does not match" in answer["error"]


async def test_inputs_that_the_adapter_refuses_are_a_bad_request(triton: Runtime, tmp_path: Path) -> None:
    with triton.serving(model(onnx_models.look_up(["n"]), tmp_path), "ONNX") as served:
        assert (await served.infer(tensor("index", "INT64", [2], [0, 2])))[1]["outputs"][0]["data"] == [10.0, 30.0]
        status, answer = await served.infer(tensor("index", "INT64", [1], [7]))
        assert status == 400
        assert "the model rejects the inputs" in answer["error"]


@pytest.fixture
def row_wise(triton: Runtime, tmp_path: Path) -> Runtime:
    """Triton with an ONNX adapter that declares the rows of every model independent."""
    source = tmp_path / "source"
    for package in PACKAGES:
        shutil.copytree(package, source / package.name)
    with (source / "kleverserve" / "adapters" / "onnx.py").open("a") as adapter:
        adapter.write("\n\nOnnxModel.row_wise = True\n")
    with (source / "modelfiles" / "runtimes.py").open("a") as table:
        table.write('\n\n_TRITON.formats["ONNX"] = Support("triton", batch_rows=4096)\n')
    return replace(triton, extra={**triton.extra, "PYTHONPATH": str(source)})


async def test_requests_for_independent_rows_are_batched(row_wise: Runtime, tmp_path: Path) -> None:
    with row_wise.serving(model(onnx_models.doubling(), tmp_path), "ONNX") as served:
        requests = [tensor("X", "FP32", [1 + n % 2, 4], [float(n)] * 4 * (1 + n % 2)) for n in range(200)]
        results = await asyncio.gather(*(served.infer(request) for request in requests))
        [statistics] = (await served.get("/stats"))["model_stats"]
    assert [status for status, _ in results] == [200] * len(requests)
    for request, (_, answer) in zip(requests, results, strict=True):
        [output] = answer["outputs"]
        assert (output["shape"], output["data"]) == (request["shape"], [2 * value for value in request["data"]])
    assert statistics["execution_count"] < len(requests)


def test_every_datatype_is_supported_in_requests_and_responses(triton: Runtime, tmp_path: Path) -> None:
    values: dict[str, list[object]] = {name: [1, 2] for name in onnx_models.ONNX_TYPES}
    values |= {"BOOL": [True, False], "BYTES": ["über", ""], "FP16": [0.5, 2.0]}
    inputs = [tensor(name, name, [2], data) for name, data in values.items()]
    with triton.serving(model(onnx_models.identity(), tmp_path), "ONNX") as served:
        outputs = served.infer_by_grpc(*inputs)
    assert {name: output["data"] for name, output in outputs.items()} == {
        f"{name}_out": data for name, data in values.items()
    }


async def test_requests_in_flight_at_sigterm_are_answered(triton: Runtime, tmp_path: Path) -> None:
    alone = replace(triton, extra={"TMPDIR": str(tmp_path)})
    with alone.serving(model(onnx_models.loop(), tmp_path), "ONNX", "--drain-seconds", "30") as served:
        written = written_below(tmp_path)
        assert len(written) > 1
        idle = served.busy_seconds()
        pending = [
            asyncio.create_task(served.infer(tensor("n", "INT64", [1], [SECONDS_OF_WORK + index]))) for index in (1, 2)
        ]
        await eventually(lambda: is_busier(served, idle + 0.2))
        served.process.send_signal(signal.SIGTERM)
        results = await asyncio.gather(*pending)
        assert await asyncio.to_thread(served.process.wait, 30) == 0
    totals = [answer["outputs"][0]["data"][0] for _, answer in results]
    assert totals == [SECONDS_OF_WORK + 1, SECONDS_OF_WORK + 2]
    assert existing(written) == []


def written_below(directory: Path) -> list[Path]:
    """The files that a launcher with this directory for temporary files wrote, there and in shared memory."""
    folders = list(directory.glob("klever-triton-*"))
    return [*folders, *(path for folder in folders for path in SHARED_MEMORY.glob(f"{folder.name}-*"))]


def existing(paths: list[Path]) -> list[Path]:
    return [path for path in paths if path.exists()]


async def is_busier(served: Served, seconds: float) -> bool:
    return served.busy_seconds() > seconds


async def test_a_slow_run_does_not_outlive_the_drain(triton: Runtime, tmp_path: Path) -> None:
    with triton.serving(model(onnx_models.loop(), tmp_path), "ONNX", "--drain-seconds", "0.2") as served:
        idle, family = served.busy_seconds(), served.family()
        pending = asyncio.create_task(served.infer(tensor("n", "INT64", [1], [10**15])))
        await eventually(lambda: is_busier(served, idle + 0.2))
        served.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(served.process.wait, 15) == 0
        await eventually(lambda: all_gone(family), within=15)
        await asyncio.gather(pending, return_exceptions=True)


async def test_no_process_survives_the_kill_of_the_launcher(triton: Runtime, tmp_path: Path) -> None:
    with triton.serving(model(onnx_models.iris_classifier(), tmp_path), "ONNX") as served:
        family = served.family()
        assert len(family) > 2
        served.process.kill()
        await eventually(lambda: all_gone(family), within=15)
        assert not answers(served.port)


async def all_gone(family: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)


async def test_the_launcher_exits_when_triton_exits(triton: Runtime, tmp_path: Path) -> None:
    with triton.serving(model(onnx_models.iris_classifier(), tmp_path), "ONNX") as served:
        server = next(process for process in served.family() if process.name() == "tritonserver")
        server.kill()
        assert await asyncio.to_thread(served.process.wait, 15) == 1
    assert "Triton exited with code -9" in served.log.read_text()


async def test_a_launcher_stopped_during_loading_exits_at_once(triton: Runtime, tmp_path: Path) -> None:
    alone = replace(triton, extra={"TMPDIR": str(tmp_path)})
    command = alone.command(model(onnx_models.iris_classifier(), tmp_path), "ONNX")
    launcher = await asyncio.create_subprocess_exec(*command, env=alone.environment)
    await eventually(lambda: describes(launcher.pid))
    launcher.terminate()
    assert await asyncio.wait_for(launcher.wait(), 10) == 0
    assert written_below(tmp_path) == []


async def describes(launcher: int) -> bool:
    return any("kleverserve.triton.describe" in child.cmdline() for child in psutil.Process(launcher).children())


def test_a_broken_model_exits_3_with_one_line(triton: Runtime, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "broken.onnx").write_bytes(b"this is no protobuf")
    ended = triton.run_to_the_end(tmp_path, "ONNX")
    assert ended.returncode == 3
    assert (ended.stdout + ended.stderr).startswith("kleverserve: cannot load the model: onnxruntime cannot load ")
    assert (ended.stdout + ended.stderr).count("\n") == 1


def test_a_scalar_exits_3_and_names_another_runtime(triton: Runtime, tmp_path: Path) -> None:
    ended = triton.run_to_the_end(model(onnx_models.look_up(), tmp_path), "ONNX")
    assert ended.returncode == 3
    assert "choose the runtime kleverserve" in ended.stdout + ended.stderr


def test_a_port_in_use_exits_1(triton: Runtime, iris: tuple[Served, Path], tmp_path: Path) -> None:
    ended = triton.run_to_the_end(model(onnx_models.iris_classifier(), tmp_path), "ONNX", "--port", str(iris[0].port))
    assert ended.returncode == 1
    assert ended.stderr.startswith("kleverserve: cannot listen on 127.0.0.1:")


def test_a_missing_triton_is_reported_with_the_python_to_use(tmp_path: Path) -> None:
    elsewhere = Runtime("kleverserve.triton", Path(sys.executable), logs=tmp_path)
    ended = elsewhere.run_to_the_end(tmp_path, "ONNX", "--port", str(free_port()))
    assert ended.returncode == 3
    assert "run it with the Python of the toolchain 'triton'" in ended.stderr
