"""The model server as a hop: the cases of the hop contract, in a separate process."""

import gzip
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from support import hop_contract
from support.hop_contract import CASES, GZIP, JSON, SENTINEL, Hop
from support.onnx_models import doubling, model_directory
from support.v2_client import ModelServer, model_server, tensor

LIMIT = 4 * 1024 * 1024
BOMB = gzip.compress(b" " * 200_000_000, 1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    directory = model_directory(doubling(), tmp_path_factory.mktemp("m") / "m")
    with model_server(directory, name="m", extra=("--max-body-bytes", str(LIMIT))) as server:
        yield server


@pytest.fixture
def hop(server: ModelServer) -> Hop:
    return hop_of(server)


def hop_of(server: ModelServer) -> Hop:
    request = {"inputs": [tensor("X", "FP32", [1, 4], [1.0, 2.0, 3.0, 4.0])]}
    return Hop(f"{server.url}/v2/models/m/infer", request, LIMIT)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_the_model_server_meets_the_hop_contract(case: Callable[[Hop], Awaitable[None]], hop: Hop) -> None:
    await case(hop)


async def test_a_decompression_bomb_costs_little_memory(server: ModelServer, hop: Hop) -> None:
    await hop.served(hop.body)
    before = peak_bytes(server)
    await hop.refused(413, BOMB, JSON, GZIP)
    assert peak_bytes(server) - before < 8 * LIMIT


def peak_bytes(server: ModelServer) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


async def test_the_log_repeats_no_client_data_and_stays_short(tmp_path: Path) -> None:
    directory = model_directory(doubling(), tmp_path / "m")
    with model_server(directory, name="m", extra=("--max-body-bytes", str(LIMIT))) as server:
        hop = hop_of(server)
        await hop_contract.a_body_that_is_not_what_it_says_is_refused(hop)
        await hop_contract.larger_headers_are_refused(hop)
        text = hop.request | {"inputs": [tensor("X", "FP32", [1, 4], [SENTINEL] * 4)]}
        assert (await hop.post(json.dumps(text).encode(), JSON)).status == 400
        server.process.terminate()
        written = "".join(server.process.communicate())
    assert SENTINEL not in written
    assert len(written) < 4096
