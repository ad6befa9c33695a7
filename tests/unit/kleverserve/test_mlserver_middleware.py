"""The middleware for MLServer's REST API, without MLServer."""

import gzip
import json
from collections.abc import Sequence
from typing import Any

import pytest

from kleverserve.access import EVERYBODY, HEADER, Access
from kleverserve.http_server import HEADER_BYTES
from kleverserve.mlserver.middleware import Message, Receive, RequestMiddleware, Send

BODY = b' {"inputs": []}'
LIMIT = 1000
PATH = "/v2/models/m/infer"


class Inner:
    """Answers with its input, or fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.scope: Message = {}
        self.body = b""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if self.failure is not None:
            raise self.failure
        self.scope, self.body = scope, (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


async def post(
    inner: Inner, parts: Sequence[bytes], path: str = PATH, access: Access = EVERYBODY, /, **headers: str
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return status, document and headers of the answer to a POST in these parts; without parts it ends early."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if messages:
        messages[-1]["more_body"] = False
    coming, sent = iter(messages), list[Message]()

    async def receive() -> Message:
        return next(coming, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        sent.append(message)

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": named}
    await RequestMiddleware(inner, LIMIT, access)(scope, receive, send)
    start, body = sent
    return start["status"], json.loads(body["body"]), {k.decode(): v.decode() for k, v in start["headers"]}


async def test_the_inner_application_gets_plain_json_for_every_encoding() -> None:
    inner, packed = Inner(), gzip.compress(BODY)
    status, *_ = await post(inner, [packed[:5], packed[5:]], content_encoding="gzip", content_type="text/plain", a="b")
    assert (status, inner.body) == (200, BODY)
    described = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
    assert inner.scope["headers"] == [(b"a", b"b"), *described]


@pytest.mark.parametrize(
    ("parts", "headers", "status"),
    [
        ([], {}, 400),
        ([b"\x00\x01"], {"content_type": "application/octet-stream"}, 400),
        ([b"[]"], {}, 400),
        ([BODY], {"content_encoding": "gzip"}, 400),
        ([BODY], {"transfer_encoding": "chunked", "content_length": "15"}, 400),
        ([BODY], {"content_length": str(LIMIT + 1)}, 413),
        ([b" " * LIMIT, b" "], {}, 413),
        ([gzip.compress(b" " * (LIMIT + 1))], {"content_encoding": "gzip"}, 413),
        ([BODY], {"content_encoding": "br"}, 415),
        ([BODY], {"content_type": "text/csv"}, 415),
        ([BODY], {"inference_header_content_length": "9"}, 415),
        ([BODY], {"cookie": "e" * HEADER_BYTES}, 431),
    ],
)
async def test_a_refused_request_never_reaches_the_inner_application(
    parts: Sequence[bytes], headers: dict[str, str], status: int
) -> None:
    inner = Inner()
    refused, document, sent = await post(inner, parts, **headers)
    assert (refused, list(document), sent["connection"]) == (status, ["error"], "close")
    assert inner.scope == {}


async def test_a_failure_is_json_and_repeats_no_client_data(caplog: pytest.LogCaptureFixture) -> None:
    status, document, _ = await post(Inner(ValueError("sesame")), [BODY])
    assert (status, document) == (500, {"error": "the server failed: ValueError"})
    assert "sesame" not in "".join(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("path", ["/v2/repository/index", "/v2/docs", "/v2/models/m/generate", "/openapi.json", "/"])
async def test_management_does_not_reach_mlserver(path: str) -> None:
    inner = Inner()
    status, document, _ = await post(inner, [BODY], path)
    assert (status, document, inner.body) == (404, {"error": "this path is not for clients of the model"}, b"")


@pytest.mark.parametrize(("headers", "status"), [({}, 403), ({HEADER: "other"}, 403), ({HEADER: "key"}, 200)])
async def test_a_server_with_a_key_answers_only_requests_with_it(headers: dict[str, str], status: int) -> None:
    inner = Inner()
    answered, *_ = await post(inner, [BODY], PATH, Access("key"), **headers)
    assert (answered, inner.body) == (status, BODY if status == 200 else b"")
    ready, *_ = await post(inner, [BODY], "/v2/models/m/ready", Access("key"))
    assert ready == 200
