"""A server is ready only once its model has answered a sample, and otherwise reports the reason."""

from pathlib import Path

import pytest

from support import onnx_models
from support.serving_runtimes import Runtime, run_program, toolchain_python
from support.v2_client import tensor


@pytest.fixture(scope="module", params=["kleverserve", "kleverserve.triton", "kleverserve.mlserver"])
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    toolchain = {"kleverserve": "sklearn"}.get(request.param, request.param.rpartition(".")[2])
    has_grpc = request.param != "kleverserve"
    logs = tmp_path_factory.mktemp("logs")
    return Runtime(request.param, toolchain_python(toolchain), logs=logs, has_grpc=has_grpc)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    run_program(toolchain_python("sklearn"), "tried_models", directory)
    return directory


@pytest.mark.parametrize("name", ["old", "named"])
def test_a_model_that_loads_but_cannot_run_exits_3_with_both_versions(
    runtime: Runtime, models: Path, name: str
) -> None:
    ended = runtime.run_to_the_end(models / name, "SKLearn")
    assert ended.returncode == 3
    (message,) = [line for line in (ended.stdout + ended.stderr).splitlines() if line.startswith("kleverserve: ")]
    assert message.startswith("kleverserve: cannot load the model: the model was loaded but fails when it is run (")
    assert "'SimpleImputer' object has no attribute '_fill_dtype'" in message
    assert "): it was saved by scikit-learn 1.3.2, and 1." in message
    assert "train and save it again with 1." in message


async def test_a_model_that_refuses_a_generated_sample_is_served(runtime: Runtime, models: Path) -> None:
    with runtime.serving(models / "choosy", "SKLearn") as served:
        (known,) = (await served.metadata())["inputs"]
        status, answer = await served.infer(tensor(known["name"], known["datatype"], [2, 1], [5.0, 7.0]))
    assert status == 200
    assert answer["outputs"][0]["data"] == [0, 1]


async def test_a_model_without_some_of_its_outputs_is_served_with_the_others(runtime: Runtime, models: Path) -> None:
    with runtime.serving(models / "half", "SKLearn") as served:
        assert [each["name"] for each in (await served.metadata())["outputs"]] == ["predict"]


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return Runtime("kleverserve.triton", toolchain_python("triton"), logs=tmp_path_factory.mktemp("logs"))


async def test_triton_answers_a_sample_of_every_datatype_before_it_is_ready(triton: Runtime, tmp_path: Path) -> None:
    with triton.serving(onnx_models.model_directory(onnx_models.identity(), tmp_path / "m"), "ONNX") as served:
        assert len((await served.metadata())["inputs"]) == len(onnx_models.ONNX_TYPES)
