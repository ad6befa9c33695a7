"""Predictions through the client library: values that JSON cannot express, in requests and answers."""

import json
import math
from collections.abc import AsyncIterator

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from klever.client import KleverClient
from klever.errors import InputError
from kleverserve import binary
from kleverserve.tensors import Datatype

NO_GATEWAY = "http://127.0.0.1:1"
"""A gateway that is not called, because the serving is addressed by its URL."""

METADATA = {"name": "m", "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}], "outputs": []}


async def metadata(_request: web.Request) -> web.Response:
    return web.json_response(METADATA)


async def triton(request: web.Request) -> web.Response:
    """Accepts raw tensors, and writes NaN as Triton does."""
    length = request.headers.get("Inference-Header-Content-Length")
    head, parts = binary.split(await request.read(), int(length) if length else None)
    (x,) = json.loads(head)["inputs"]
    part = parts.take(x["parameters"]["binary_data_size"], "x")
    values = binary.decode(part, name="x", datatype=Datatype.FP32, shape=x["shape"])
    answer = {"model_name": "m", "outputs": [{"name": "y", "shape": x["shape"], "data": values.ravel().tolist()}]}
    return web.Response(text=json.dumps(answer), content_type="application/json")


async def mlserver(_request: web.Request) -> web.Response:
    return web.json_response({"error": "the body is no JSON"}, status=400)


@pytest.fixture
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_get("/v2/models/m", metadata)
    application.router.add_post("/v2/models/m/infer", request.param)
    async with TestServer(application) as server:
        yield str(server.make_url("/v2/models/m/infer"))


@pytest.mark.parametrize("url", [triton], indirect=True, ids=["binary"])
async def test_nan_and_infinity_are_sent_as_raw_tensors_and_returned_as_none(url: str) -> None:
    async with KleverClient(NO_GATEWAY) as client:
        answer = await client.predict_at(url, {"x": np.array([[1.5, math.nan], [math.inf, 2.0]]).tolist()})
    assert answer["outputs"][0]["data"] == [1.5, None, None, 2.0]


@pytest.mark.parametrize("url", [mlserver], indirect=True, ids=["json"])
async def test_a_server_without_raw_tensors_is_reported_as_such(url: str) -> None:
    async with KleverClient(NO_GATEWAY) as client:
        with pytest.raises(InputError, match=r"the body is no JSON; inputs with NaN.*MLServer does not"):
            await client.predict_at(url, {"x": [[1.5, math.nan]]})
