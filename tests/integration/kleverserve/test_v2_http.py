"""The HTTP surface over a real socket, with a model that echoes."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pytest
from aiohttp import ClientSession

from kleverserve.app import ServerOptions, serving
from kleverserve.errors import ExecutionError
from kleverserve.lifecycle import Lifecycle
from kleverserve.model import TensorSpec
from kleverserve.tensors import Array, Datatype
from support.echo_model import EchoModel
from support.v2_client import tensor
from support.waiting import eventually

MAX_BODY = 10_000
INFER = "/v2/models/echo/infer"


class FussyModel(EchoModel):
    """Fails on 500, and violates its contract on 13."""

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        if 500 in inputs["x"]:
            raise ExecutionError("the model failed: 500")
        if 13 in inputs["x"]:
            return {}
        return super().predict(inputs, outputs)


@pytest.fixture
def lifecycle() -> Lifecycle:
    return Lifecycle()


@pytest.fixture
async def client(lifecycle: Lifecycle) -> AsyncIterator[ClientSession]:
    model = FussyModel([TensorSpec("x", Datatype.INT64, (-1,))])
    options = ServerOptions(name="echo", version="v1", max_body_bytes=MAX_BODY)
    async with serving(model, options, lifecycle) as port:
        url = f"http://127.0.0.1:{port}"
        async with ClientSession(url) as client:
            yield client


def request(*values: int) -> dict[str, Any]:
    return {"inputs": [tensor("x", "INT64", [len(values)], list(values))]}


@pytest.mark.parametrize("path", [INFER, "/v2/models/echo/versions/v1/infer"])
async def test_inference_answers_with_or_without_a_version(client: ClientSession, path: str) -> None:
    async with client.post(path, json=request(1, 2) | {"id": "a"}) as response:
        assert response.status == 200
        assert response.content_type == "application/json"
        assert await response.json() == {
            "model_name": "echo",
            "model_version": "v1",
            "id": "a",
            "outputs": [{"name": "x_out", "datatype": "INT64", "shape": [2], "data": [1, 2]}],
        }


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v2", {"name": "kleverserve", "version": "0.1.0", "extensions": ["binary_tensor_data"]}),
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/echo/ready", {"name": "echo", "ready": True}),
        ("/v2/models/echo/versions/v1/ready", {"name": "echo", "ready": True}),
        (
            "/v2/models/echo/versions/v1",
            {
                "name": "echo",
                "versions": ["v1"],
                "platform": "test_echo",
                "inputs": [{"name": "x", "datatype": "INT64", "shape": [-1]}],
                "outputs": [{"name": "x_out", "datatype": "INT64", "shape": [-1]}],
            },
        ),
    ],
)
async def test_metadata_and_health_follow_the_protocol(client: ClientSession, path: str, answer: object) -> None:
    async with client.get(path) as response:
        assert response.status == 200
        assert await response.json() == answer


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/v2/models/other", 404, "model 'other' not found; this server has 'echo'"),
        ("POST", "/v2/models/other/infer", 404, "model 'other' not found; this server has 'echo'"),
        ("GET", "/v2/models/echo/versions/v2", 404, "version 'v2' of model 'echo' not found; this server has 'v1'"),
        ("POST", "/v2/models/echo/versions/v2/infer", 404, "version 'v2' of model 'echo' not found"),
        ("GET", "/v3", 404, "GET /v3: Not Found"),
        ("GET", INFER, 405, "Method Not Allowed"),
    ],
)
async def test_unknown_paths_are_answered_with_json(
    client: ClientSession, method: str, path: str, status: int, message: str
) -> None:
    async with client.request(method, path) as response:
        assert response.status == status
        assert message in (await response.json())["error"]


async def test_content_that_is_not_json_is_refused(client: ClientSession) -> None:
    async with client.post(INFER, data=b"{}", headers={"Content-Type": "text/csv"}) as response:
        assert response.status == 415
        message = (await response.json())["error"]
    assert message.startswith("the content type is text/csv, but must be application/json")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/json; charset=utf-8"},
        {"Content-Type": "application/x-www-form-urlencoded"},  # the type that curl -d sends
    ],
)
async def test_a_body_that_is_not_json_is_refused_whatever_it_claims(
    client: ClientSession, headers: dict[str, str]
) -> None:
    skipped = () if headers else ("Content-Type",)
    async with client.post(INFER, data=b"x=1", headers=headers, skip_auto_headers=skipped) as response:
        assert response.status == 400
        assert "the body is not valid JSON" in (await response.json())["error"]


async def test_a_body_that_does_not_match_its_encoding_is_refused(client: ClientSession) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with client.post(INFER, data=b"no gzip", headers=headers) as response:
        assert response.status == 400
        assert "the body cannot be read" in (await response.json())["error"]


async def test_a_client_that_disconnects_mid_body_counts_as_a_bad_request(client: ClientSession) -> None:
    assert client._base_url is not None
    _, writer = await asyncio.open_connection(client._base_url.host, client._base_url.port)
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
    writer.write(head.encode() + b"{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    async def counted() -> bool:
        async with client.get("/metrics") as response:
            return 'infer_requests_total{code="400",model="echo",version="v1"} 1.0' in await response.text()

    await eventually(counted)


async def test_a_body_over_the_limit_is_refused(client: ClientSession) -> None:
    async with client.post(INFER, json=request(*[1] * MAX_BODY)) as response:
        assert response.status == 413
        assert f"but at most {MAX_BODY} are accepted" in (await response.json())["error"]


@pytest.mark.parametrize(
    ("value", "message"), [(500, "the model failed: 500"), (13, "the server failed: KeyError: 'x_out'")]
)
async def test_a_failing_model_gives_500_with_the_message(client: ClientSession, value: int, message: str) -> None:
    async with client.post(INFER, json=request(value)) as response:
        assert response.status == 500
        assert (await response.json())["error"] == message


async def test_metrics_count_only_inference_by_code(client: ClientSession) -> None:
    for body in (request(1), request(2), {}):
        async with client.post(INFER, json=body):
            pass
    async with client.get("/v2/health/ready"), client.get("/metrics") as response:
        text = await response.text()
    labels = 'model="echo",version="v1"'
    assert f'kleverserve_infer_requests_total{{code="200",{labels}}} 2.0' in text
    assert f'kleverserve_infer_requests_total{{code="400",{labels}}} 1.0' in text
    assert f"kleverserve_infer_duration_seconds_count{{{labels}}} 3.0" in text
    assert f"kleverserve_infer_in_flight{{{labels}}} 0.0" in text


async def test_a_draining_server_is_unready_but_still_answers_and_closes(
    client: ClientSession, lifecycle: Lifecycle
) -> None:
    lifecycle.stop()
    for path in ("/v2/health/ready", "/v2/models/echo/ready"):
        async with client.get(path) as response:
            assert response.status == 503
            assert (await response.json())["ready"] is False
    async with client.post(INFER, json=request(1)) as response:
        assert response.status == 200
        assert response.headers["Connection"] == "close"


async def test_raw_tensors_follow_the_json_in_requests_and_responses(client: ClientSession) -> None:
    raw = np.array([1, -2, 3], "<i8").tobytes()
    head = orjson.dumps(
        {
            "inputs": [{"name": "x", "datatype": "INT64", "shape": [3], "parameters": {"binary_data_size": len(raw)}}],
            "parameters": {"binary_data_output": True},
        }
    )
    headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
    async with client.post(INFER, data=head + raw, headers=headers) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "application/octet-stream"
        length = int(response.headers["Inference-Header-Content-Length"])
        body = await response.read()
    (output,) = orjson.loads(body[:length])["outputs"]
    assert output == {"name": "x_out", "datatype": "INT64", "shape": [3], "parameters": {"binary_data_size": len(raw)}}
    assert body[length:] == raw


@pytest.mark.parametrize("value", ["x", "-1", "999"])
async def test_a_header_that_does_not_fit_the_body_is_refused(client: ClientSession, value: str) -> None:
    async with client.post(INFER, data=b"{}", headers={"Inference-Header-Content-Length": value}) as response:
        assert response.status == 400
        assert "Inference-Header-Content-Length is" in (await response.json())["error"]


async def test_a_compressed_body_is_read(client: ClientSession) -> None:
    body = gzip.compress(orjson.dumps(request(4, 5)))
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    async with client.post(INFER, data=body, headers=headers) as response:
        assert (await response.json())["outputs"][0]["data"] == [4, 5]
