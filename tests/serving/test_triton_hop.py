"""Triton as a hop: the cases of the hop contract, and its log."""

import json
from collections.abc import Awaitable, Callable, Iterator

import numpy as np
import pytest

from support import hop_contract, onnx_models
from support.hop_contract import CASES, JSON, SENTINEL, Hop
from support.serving_runtimes import Runtime, Served, toolchain_python
from support.v2_client import tensor

LIMIT = 4 * 1024 * 1024
ROW = tensor("X", "FP32", [1, 4], [1.0, 2.0, 3.0, 4.0])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("triton")
    triton = Runtime("kleverserve.triton", toolchain_python("triton"), logs=folder, extra={"TMPDIR": str(folder)})
    directory = onnx_models.model_directory(onnx_models.doubling(), folder / "m")
    with triton.serving(directory, "ONNX", "--max-body-bytes", str(LIMIT)) as served:
        yield served


@pytest.fixture
def hop(served: Served) -> Hop:
    return Hop(f"{served.url}/infer", {"inputs": [ROW]}, LIMIT)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_triton_meets_the_hop_contract(case: Callable[[Hop], Awaitable[None]], hop: Hop) -> None:
    await case(hop)


async def test_raw_tensors_pass_in_both_directions(hop: Hop) -> None:
    raw = np.array([[1, 2, 3, 4]], np.float32).tobytes()
    asked = {key: value for key, value in ROW.items() if key != "data"} | {"parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [asked], "parameters": {"binary_data_output": True}}).encode()
    length = ("Inference-Header-Content-Length", str(len(head)))
    answer = await hop.post(head + raw, ("Content-Type", "application/octet-stream"), length)
    assert answer.status == 200, answer
    behind = answer.body[int(answer.header("inference-header-content-length") or 0) :]
    assert np.frombuffer(behind, np.float32).tolist() == [2.0, 4.0, 6.0, 8.0]


async def test_the_log_repeats_no_client_data_and_stays_short(hop: Hop, served: Served) -> None:
    before = served.log.stat().st_size
    await hop_contract.a_body_that_is_not_what_it_says_is_refused(hop)
    await hop_contract.larger_headers_are_refused(hop)
    answer = await hop.post(json.dumps({"inputs": [ROW | {"data": [SENTINEL] * 4}]}).encode(), JSON)
    assert (answer.status, list(answer.document)) == (400, ["error"]), answer
    written = served.log.read_text()[before:]
    assert SENTINEL not in written
    assert len(written) < 16 * 1024
