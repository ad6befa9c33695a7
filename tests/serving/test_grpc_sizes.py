"""Large gRPC messages, through the ingress to the servers that support gRPC."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from klever_deployer.adapters.local.replica_specs import Endpoint
from support import onnx_models
from support.data_planes import behind_envoy, route_to
from support.processes import free_port
from support.serving_runtimes import HOST, MODEL, Runtime, Served, run_program, toolchain_python

MIB = 1024 * 1024
LIMIT = 16 * MIB
LIMITED = ("--max-body-bytes", str(LIMIT))


@dataclass(frozen=True)
class Speaker:
    """A server whose model has one input of four columns."""

    served: Served
    input: str
    datatype: str

    def ask(self, port: int, *sizes: str) -> Any:
        """Send requests of these sizes to a port. Return their outcomes."""
        named = (MODEL, self.input, self.datatype)
        return json.loads(run_program(self.served.python, "grpc_sizes", f"{HOST}:{port}", *named, *sizes))


@contextmanager
def triton(folder: Path) -> Iterator[Speaker]:
    runtime = Runtime("kleverserve.triton", toolchain_python("triton"), logs=folder, extra={"TMPDIR": str(folder)})
    directory = onnx_models.model_directory(onnx_models.doubling(), folder / "m")
    with runtime.serving(directory, "ONNX", *LIMITED) as served:
        yield Speaker(served, "X", "FP32")


@contextmanager
def mlserver(folder: Path) -> Iterator[Speaker]:
    runtime = Runtime("kleverserve.mlserver", toolchain_python("mlserver"), logs=folder)
    run_program(runtime.python, "mlserver_models", folder / "models")
    with runtime.serving(folder / "models" / "sklearn", "SKLearn", *LIMITED) as served:
        yield Speaker(served, "input", "FP64")


@pytest.fixture(scope="module", params=[triton, mlserver])
def speaker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Speaker]:
    start: Callable[[Path], Any] = request.param
    with start(tmp_path_factory.mktemp("speaker")) as speaker:
        yield speaker


async def test_messages_over_the_limit_are_resource_exhausted(speaker: Speaker, tmp_path: Path) -> None:
    port, served = free_port(), speaker.served
    sizes = (3 * MIB, 6 * MIB, 15 * MIB, 17 * MIB, 3 * MIB)
    async with behind_envoy(tmp_path, port, max_request_bytes=LIMIT) as bench:
        await bench.data_plane.apply(route_to(Endpoint(HOST, served.port, served.grpc_port)))
        *passed, exhausted, last = await asyncio.to_thread(speaker.ask, port, *map(str, sizes))
    width = 16 if speaker.datatype == "FP32" else 32
    assert [*passed, last] == [size // width for size in (*sizes[:3], sizes[4])]
    assert exhausted["status"] == "StatusCode.RESOURCE_EXHAUSTED"
    assert str(LIMIT) in exhausted["message"]


async def test_errors_of_the_ingress_are_sentences(speaker: Speaker, tmp_path: Path) -> None:
    port = free_port()
    async with behind_envoy(tmp_path, port):
        [missing] = await asyncio.to_thread(speaker.ask, port, "1024")
    assert missing["message"].startswith("no serving has this path")


async def test_compressed_messages_are_refused(speaker: Speaker, tmp_path: Path) -> None:
    port, served = free_port(), speaker.served
    async with behind_envoy(tmp_path, port, max_request_bytes=LIMIT) as bench:
        await bench.data_plane.apply(route_to(Endpoint(HOST, served.port, served.grpc_port)))
        refused = await asyncio.to_thread(speaker.ask, port, f"gzip:{MIB}", f"deflate:{200 * MIB}")
    assert [each["status"] for each in refused] == ["StatusCode.UNIMPLEMENTED"] * 2
    assert "send them uncompressed" in refused[0]["message"]
