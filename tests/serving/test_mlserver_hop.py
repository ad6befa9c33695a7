"""MLServer as a hop: the cases of the hop contract, and its log."""

import json
from collections.abc import Awaitable, Callable, Iterator

import pytest

from support import hop_contract
from support.hop_contract import CASES, JSON, SENTINEL, Hop
from support.serving_runtimes import Runtime, Served, run_program, toolchain_python
from support.v2_client import tensor
from support.waiting import eventually

LIMIT = 4 * 1024 * 1024
ROW = tensor("input", "FP64", [1, 4], [5.1, 3.5, 1.4, 0.2])
RAW = ("Inference-Header-Content-Length", "100")


@pytest.fixture(scope="module")
def mlserver(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return Runtime("kleverserve.mlserver", toolchain_python("mlserver"), logs=tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def served(mlserver: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    models = tmp_path_factory.mktemp("models")
    run_program(mlserver.python, "mlserver_models", models)
    with mlserver.serving(models / "sklearn", "SKLearn", "--max-body-bytes", str(LIMIT)) as served:
        yield served


@pytest.fixture
def hop(served: Served) -> Hop:
    return Hop(f"{served.url}/infer", {"inputs": [ROW]}, LIMIT)


async def has_logged(served: Served, event: str) -> bool:
    return any(json.loads(line)["event"] == event for line in served.log.read_text().splitlines())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_mlserver_meets_the_hop_contract(case: Callable[[Hop], Awaitable[None]], hop: Hop) -> None:
    await case(hop)


async def test_raw_tensors_over_http_are_refused_at_no_cost(hop: Hop, served: Served) -> None:
    # MLServer answers before it has logged that it is ready: that line may come later, and is no cost of a request.
    await eventually(lambda: has_logged(served, "ready"))
    before = served.log.stat().st_size
    for _ in range(3):
        message = await hop.refused(415, bytes(LIMIT), ("Content-Type", "application/octet-stream"), RAW)
        assert "use JSON, gRPC or the runtime kleverserve" in message
        await hop.refused(400, bytes(LIMIT), ("Content-Type", "application/octet-stream"))
        await hop.served(hop.body)
    assert served.log.stat().st_size == before


async def test_the_log_repeats_no_client_data_and_stays_short(hop: Hop, served: Served) -> None:
    before = served.log.stat().st_size
    await hop_contract.a_body_that_is_not_what_it_says_is_refused(hop)
    await hop_contract.larger_headers_are_refused(hop)
    for data in ([SENTINEL] * 4, SENTINEL, {"a": SENTINEL}):
        answer = await hop.post(json.dumps({"inputs": [ROW | {"data": data}]}).encode(), JSON)
        assert (answer.status, list(answer.document)) == (400, ["error"]), answer
    assert (await hop.post(b"{}", JSON)).document["error"] == "inputs: Field required"
    written = served.log.read_text()[before:]
    assert SENTINEL not in written
    assert len(written) < 16 * 1024


async def test_other_errors_have_the_same_form(hop: Hop) -> None:
    elsewhere = Hop(hop.url.replace("/models/m/", "/models/other/"), hop.request, LIMIT)
    await elsewhere.refused(404, hop.body, JSON)
    assert "not for clients" in await Hop(hop.url + "/x", hop.request, LIMIT).refused(404, hop.body, JSON)
