"""OpenScoring's API over a real socket, with a tabular model that adds."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from aiohttp import ClientSession

from kleverserve.app import ServerOptions, serving
from kleverserve.lifecycle import Lifecycle
from kleverserve.model import TensorSpec
from kleverserve.openscoring import IS_TARGET
from kleverserve.tensors import Array, Datatype

URL = "/openscoring/model/adder"


class Adder:
    """`sum` = a + n, missing if either is; and the word unchanged."""

    platform = "pmml4s_pmml"
    row_wise = True
    example = None
    inputs = (
        TensorSpec("a", Datatype.FP64, (-1,)),
        TensorSpec("n", Datatype.INT64, (-1,)),
        TensorSpec("word", Datatype.BYTES, (-1,)),
    )
    outputs = (TensorSpec("sum", Datatype.FP64, (-1,), IS_TARGET), TensorSpec("word", Datatype.BYTES, (-1,)))

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        numbers = [np.nan if n is None else n for n in inputs["n"].tolist()]
        sums = inputs["a"] + np.array(numbers, np.float64)
        words = np.array([word or "none" for word in inputs["word"].tolist()], object)
        return {name: {"sum": sums, "word": words}[name] for name in outputs}


@pytest.fixture
async def client() -> AsyncIterator[ClientSession]:
    options = ServerOptions(name="adder", version="v1")
    async with serving(Adder(), options, Lifecycle()) as port, ClientSession(f"http://127.0.0.1:{port}") as client:
        yield client


async def test_a_request_is_evaluated_and_omitted_fields_are_missing_values(client: ClientSession) -> None:
    question = {"id": "7", "arguments": {"a": 1.5, "n": 2, "word": "x"}}
    async with client.post(URL, json=question) as answer:
        assert await answer.json() == {"id": "7", "results": {"sum": 3.5, "word": "x"}}
    async with client.post(URL, json={"arguments": {"a": 1}}) as answer:
        assert await answer.json() == {"results": {"sum": None, "word": "none"}}


async def test_a_batch_is_answered_in_order(client: ClientSession) -> None:
    requests = [{"id": str(n), "arguments": {"a": n, "n": n, "word": "w"}} for n in range(3)]
    async with client.post(f"{URL}/batch", json={"id": "all", "requests": requests}) as answer:
        document = await answer.json()
    assert document["id"] == "all"
    assert [(each["id"], each["results"]["sum"]) for each in document["responses"]] == [("0", 0), ("1", 2), ("2", 4)]


async def test_a_table_is_answered_with_a_table(client: ClientSession) -> None:
    table = "Id,a,n,word\nfirst,1,2,x\nsecond,,2,y\n"
    async with client.post(f"{URL}/csv", data=table, headers={"Content-Type": "text/plain"}) as answer:
        assert answer.content_type == "text/csv"
        assert await answer.text() == "Id,sum,word\nfirst,3.0,x\nsecond,,y\n"


async def test_the_fields_are_described(client: ClientSession) -> None:
    async with client.get(URL) as answer:
        document = await answer.json()
    assert document["id"] == "adder"
    assert document["schema"]["inputFields"][1] == {"id": "n", "dataType": "integer", "opType": "continuous"}
    assert [field["id"] for field in document["schema"]["targetFields"]] == ["sum"]
    async with client.get("/openscoring/model") as answer:
        assert (await answer.json())["models"] == [document]


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        (URL, {"arguments": {"n": "two"}}, 400, "argument 'n' is 'two', but the field takes INT64"),
        (URL, {"arguments": []}, 400, "'arguments' must be a JSON object"),
        (f"{URL}/batch", {"requests": {}}, 400, "'requests' must be an array"),
        ("/openscoring/model/other", {}, 404, "model 'other' not found; this server has 'adder'"),
    ],
)
async def test_an_invalid_request_is_answered_with_a_message(
    client: ClientSession, path: str, body: dict[str, Any], status: int, message: str
) -> None:
    async with client.post(path, json=body) as answer:
        assert answer.status == status
        assert message in (await answer.json())["message"]


@pytest.mark.parametrize(
    ("table", "message"), [("", "the table is empty"), ("a\nx\n", "'x' in column 'a' is not a number")]
)
async def test_an_invalid_table_is_refused(client: ClientSession, table: str, message: str) -> None:
    async with client.post(f"{URL}/csv", data=table) as answer:
        assert answer.status == 400
        assert message in (await answer.json())["message"]


async def test_an_evaluation_counts_as_inference(client: ClientSession) -> None:
    async with client.post(URL, json={"arguments": {"a": 1, "n": 1, "word": "x"}}) as answer:
        assert answer.status == 200
    async with client.get("/metrics") as answer:
        assert 'kleverserve_infer_requests_total{code="200",model="adder",version="v1"} 1.0' in await answer.text()
