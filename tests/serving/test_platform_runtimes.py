"""Explicit runtimes on the whole platform: Triton and MLServer under the same URLs, REST and gRPC."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from klever.client import KleverClient
from klever.errors import FailedError
from kleverproto.serving_changes import DeployVersion
from support.framework_answers import assert_answers
from support.whole_platform import Platform, running_platform

pytestmark = pytest.mark.timeout(900)  # the first run installs toolchains

DTYPES = {"FP32": np.float32, "FP64": np.float64, "INT32": np.int32, "INT64": np.int64}
GRAPHS = ("savedmodel", "graphdef", "tflite")
TABLES = ("sklearn-pipeline", "xgboost-softprob", "lightgbm-multiclass", "catboost-numbers")


@pytest.fixture
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    async with running_platform(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def tables(models: Callable[[str, str], Path]) -> Path:
    """Models of tables."""
    return models("sklearn", "table_models")


@pytest.fixture
def tensorflow(models: Callable[[str, str], Path]) -> Path:
    """TensorFlow's models."""
    return models("tf", "tensorflow_models")


@pytest.fixture
def triton_python(python: Callable[[str], Path]) -> Path:
    """An interpreter with a gRPC client."""
    return python("triton")


async def ask_raw(url: str, inputs: list[dict[str, Any]]) -> Any:
    """Send tensors as raw bytes, because Triton's JSON cannot express a missing value. Return the answer."""
    raw = [np.array(each["data"], DTYPES[each["datatype"]]).tobytes() for each in inputs]
    described = [
        {key: each[key] for key in ("name", "datatype", "shape")} | {"parameters": {"binary_data_size": len(data)}}
        for each, data in zip(inputs, raw, strict=True)
    ]
    head = json.dumps({"inputs": described}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
    body = b"".join((head, *raw))
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        return await response.json(content_type=None)


async def deployed(client: KleverClient, platform: Platform, directory: Path, name: str, runtime: str) -> str:
    """The URL of a model directory, served by a runtime."""
    case = json.loads((directory / "case.json").read_text())
    if not (directory / "ormbfile.yaml").exists():
        (directory / "ormbfile.yaml").write_text(f"format: {case['format']}\n")
    await platform.push(directory, f"library/{name}:v1")
    change = DeployVersion.model_validate({"model": f"library/{name}:v1", "runtime": runtime})
    wanted = await client.deploy_version(name, change)
    serving = await client.wait_for_ready(name, wanted.generation, within=600)
    assert serving.status.variants[0].runtime == runtime
    return serving.status.url or ""


async def test_triton_answers_as_the_frameworks_with_our_adapters(
    platform: Platform, tables: Path, tensorflow: Path
) -> None:
    directories = [tables / name for name in TABLES] + [
        tensorflow / name for name in ("savedmodel", "graphdef", "tflite")
    ]
    async with platform.client() as client:
        for directory in directories:
            url = await deployed(client, platform, directory, directory.name, "triton")
            case = json.loads((directory / "case.json").read_text())
            answer = await ask_raw(url, case["inputs"])
            shaped = [{**output, "shape": list(output["shape"])} for output in answer["outputs"]]
            assert_answers(shaped, case["outputs"], slice(None))
            await client.delete(directory.name)


async def test_grpc_reaches_a_serving_by_its_headers(platform: Platform, tables: Path, triton_python: Path) -> None:
    directory = tables / "xgboost-softprob"
    async with platform.client() as client:
        await deployed(client, platform, directory, "boosted", "triton")
    program = Path(__file__).with_name("makers") / "grpc_infer.py"
    ingress = platform.urls["ingress"].removeprefix("http://")
    process = await asyncio.create_subprocess_exec(
        *(triton_python, program, ingress, "boosted", "default", directory / "case.json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    expected = json.loads((directory / "case.json").read_text())["outputs"]
    for name, values in json.loads(out).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["sklearn-regressor", "xgboost-logistic"])
async def test_mlserver_answers_as_the_frameworks(platform: Platform, tables: Path, name: str) -> None:
    case = json.loads((tables / name / "case.json").read_text())
    async with platform.client() as client:
        url = await deployed(client, platform, tables / name, name, "mlserver")
        answer = await client.infer(url, {"inputs": case["inputs"]})
    (output,) = [each for each in answer["outputs"] if each["name"] == "predict"]
    expected = case["outputs"]["predict"]
    np.testing.assert_allclose(output["data"], np.ravel(expected), rtol=1e-5, atol=1e-6)


async def test_a_runtime_without_the_format_names_those_that_support_it(platform: Platform, tensorflow: Path) -> None:
    async with platform.client() as client:
        with pytest.raises(FailedError, match="which mlserver does not serve: remove `runtime`, or set it to"):
            await deployed(client, platform, tensorflow / "savedmodel", "saved", "mlserver")
