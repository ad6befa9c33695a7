"""The server as the deployer runs it: a process, from the ready line to its exit code."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import onnxruntime
import pytest

from support import onnx_models
from support.v2_client import ModelServer, model_server, server_command, tensor
from support.waiting import eventually

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.1, 5.6, 2.4]]
FOREVER = 10**15


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return onnx_models.model_directory(onnx_models.iris_classifier(), tmp_path_factory.mktemp("iris") / "m")


@pytest.fixture
def busy_loop(tmp_path: Path) -> Path:
    return onnx_models.model_directory(onnx_models.loop(), tmp_path / "loop")


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def exit_code(server: ModelServer) -> int:
    return await asyncio.to_thread(server.process.wait, 15)


async def in_flight(session: aiohttp.ClientSession, server: ModelServer) -> bool:
    async with session.get(f"{server.url}/metrics") as response:
        return 'in_flight{model="m",version="v1"} 1.0' in await response.text()


async def unready(session: aiohttp.ClientSession, server: ModelServer) -> bool:
    async with session.get(f"{server.url}/v2/health/ready") as response:
        return response.status == 503


async def test_it_predicts_the_same_as_onnxruntime(iris: Path, session: aiohttp.ClientSession) -> None:
    local = onnxruntime.InferenceSession(iris / "model" / "model.onnx", providers=["CPUExecutionProvider"])
    labels, maps = local.run(None, {"X": np.array(ROWS, np.float32)})
    with model_server(iris, name="m") as server:
        request = {"inputs": [tensor("X", "FP32", [2, 4], ROWS)]}
        async with session.post(f"{server.url}/v2/models/m/infer", json=request) as response:
            answer = await response.json()
        server.process.send_signal(signal.SIGTERM)
        assert await exit_code(server) == 0
        assert server.process.stderr is not None
        assert server.process.stderr.read() == ""
    label, probability = answer["outputs"]
    assert label["data"] == labels.tolist()
    expected = np.array([list(row.values()) for row in maps], dtype=np.float32)
    np.testing.assert_array_equal(np.array(probability["data"], np.float32).reshape(2, 3), expected)


async def test_a_request_in_flight_at_sigterm_is_answered_before_the_exit(
    iris: Path, session: aiohttp.ClientSession
) -> None:
    terminated = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"inputs": [{"name": "X", "datatype": "FP32", '
        await terminated.wait()
        yield b'"shape": [1, 4], "data": [5.1, 3.5, 1.4, 0.2]}]}'

    with model_server(iris, name="m", extra=["--drain-seconds", "30"]) as server:
        headers = {"Content-Type": "application/json"}
        url = f"{server.url}/v2/models/m/infer"
        pending = asyncio.create_task(session.post(url, data=body(), headers=headers))
        await eventually(lambda: in_flight(session, server))
        server.process.send_signal(signal.SIGTERM)
        await eventually(lambda: unready(session, server))
        assert server.process.poll() is None
        terminated.set()
        async with await pending as response:
            assert response.status == 200
            assert (await response.json())["outputs"][0]["data"] == [0]
        assert await exit_code(server) == 0


async def test_a_slow_run_does_not_delay_health_or_outlive_the_drain(
    busy_loop: Path, session: aiohttp.ClientSession
) -> None:
    with model_server(busy_loop, name="m", extra=["--drain-seconds", "0.2"]) as server:
        request = {"inputs": [tensor("n", "INT64", [1], [FOREVER])]}
        pending = asyncio.create_task(session.post(f"{server.url}/v2/models/m/infer", json=request))
        await eventually(lambda: in_flight(session, server))
        assert not await unready(session, server)
        server.process.send_signal(signal.SIGTERM)
        assert await exit_code(server) == 0
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await pending


def run_to_the_end(directory: Path, *extra: str) -> subprocess.CompletedProcess[str]:
    command = server_command(directory, name="m", extra=extra)
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_a_model_that_cannot_be_loaded_exits_3_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "broken.onnx").write_bytes(b"this is no protobuf")
    ended = run_to_the_end(tmp_path)
    assert ended.returncode == 3
    assert ended.stderr.startswith("kleverserve: cannot load the model: onnxruntime cannot load ")
    assert ended.stderr.count("\n") == 1


def test_batching_rows_that_are_not_independent_exits_3(tmp_path: Path) -> None:
    detector = onnx_models.model_directory(onnx_models.detector(), tmp_path / "m")
    ended = run_to_the_end(detector, "--parameters", '{"maxBatchRows": 32}')
    assert ended.returncode == 3
    assert ended.stderr.startswith(
        "kleverserve: cannot load the model: maxBatchRows: this model's rows are not independent: "
        'output "found" has the shape [0] for one row'
    )


async def test_an_answer_without_rows_is_valid(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    detector = onnx_models.model_directory(onnx_models.detector(), tmp_path / "m")
    with model_server(detector, name="m") as server:
        url = f"{server.url}/v2/models/m/infer"
        for scores in ([], [0.1, 0.2]):
            request: dict[str, Any] = {"inputs": [tensor("scores", "FP32", [len(scores)], scores)]}
            async with session.post(url, json=request) as response:
                (output,) = (await response.json())["outputs"]
            assert (response.status, output["shape"], output["data"]) == (200, [0], [])
            async with session.post(url, json=request | {"parameters": {"binary_data_output": True}}) as response:
                head = int(response.headers["Inference-Header-Content-Length"])
                body = await response.read()
            (output,) = json.loads(body[:head])["outputs"]
            assert (output["shape"], output["parameters"], body[head:]) == ([0], {"binary_data_size": 0}, b"")


def test_a_taken_port_exits_1_with_one_line(iris: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run_to_the_end(iris, "--port", str(taken.getsockname()[1]))
    assert ended.returncode == 1
    assert ended.stderr.startswith("kleverserve: cannot listen on 127.0.0.1:")
    assert ended.stderr.count("\n") == 1


def test_only_the_chosen_formats_engine_is_imported() -> None:
    code = "import sys, kleverserve.app; print('onnxruntime' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
