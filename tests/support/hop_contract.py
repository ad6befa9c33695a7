"""The contract of every hop of an inference request: one case each, for any server behind a URL."""

import gzip
import json
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from support.raw_http import Answer, chunked, exchange, head

SENTINEL = "sesame-6f1d2c"
"""A marker in headers and bodies that are refused. No log and no answer may repeat it."""


@dataclass(frozen=True)
class Hop:
    """A hop to a model.

    Args:
        url: of the inference endpoint.
        request: a valid request for the model.
        limit: the largest body in bytes.
    """

    url: str
    request: dict[str, Any]
    limit: int

    @property
    def body(self) -> bytes:
        """The request as JSON."""
        return json.dumps(self.request).encode()

    async def post(self, body: bytes, *headers: tuple[str, str], framing: bool = True) -> Answer:
        """Send an inference request with this body."""
        length = (("Content-Length", str(len(body))),) if framing else ()
        return await exchange(self.url, head("POST", urlsplit(self.url).path, *length, *headers), body)

    async def served(self, body: bytes, *headers: tuple[str, str], framing: bool = True) -> Answer:
        """Check an answer of the model, which is the same for every encoding of the request."""
        answer = await self.post(body, JSON, *headers, framing=framing)
        assert answer.status == 200, answer
        return answer

    async def refused(self, status: int, body: bytes, *headers: tuple[str, str], framing: bool = True) -> str:
        """Return the message of an error, which is JSON."""
        answer = await self.post(body, *headers, framing=framing)
        assert answer.status == status, answer
        assert SENTINEL not in str(answer)
        assert list(answer.document) == ["error"], answer
        return str(answer.document["error"])


JSON = ("Content-Type", "application/json")
GZIP, DEFLATE = ("Content-Encoding", "gzip"), ("Content-Encoding", "deflate")
CHUNKED = ("Transfer-Encoding", "chunked")
PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


async def compressed_bodies_are_unpacked(hop: Hop) -> None:
    plain = outputs(await hop.served(hop.body))
    assert outputs(await hop.served(gzip.compress(hop.body), GZIP)) == plain
    assert outputs(await hop.served(zlib.compress(hop.body), DEFLATE)) == plain
    assert outputs(await hop.served(gzip.compress(hop.body), ("content-encoding", "GZIP"))) == plain
    assert outputs(await hop.served(hop.body, ("Content-Encoding", "identity"))) == plain


async def chunks_and_expectations_change_nothing(hop: Hop) -> None:
    plain = outputs(await hop.served(hop.body))
    assert outputs(await hop.served(chunked(hop.body, 7), CHUNKED, framing=False)) == plain
    assert outputs(await hop.served(chunked(gzip.compress(hop.body), 7), CHUNKED, GZIP, framing=False)) == plain
    assert outputs(await hop.served(hop.body, ("Expect", "100-continue"))) == plain


async def other_codings_are_refused_with_those_that_are_taken(hop: Hop) -> None:
    for coding in ("br", "zstd", "gzip, gzip", "rot13"):
        message = await hop.refused(415, hop.body, JSON, ("Content-Encoding", coding))
        assert "gzip, deflate" in message, message


async def an_answer_is_compressed_only_where_it_was_asked_for(hop: Hop) -> None:
    answer = await hop.served(hop.body)
    assert answer.header("content-encoding") is None, answer
    asked = await hop.served(hop.body, ("Accept-Encoding", "gzip"))
    assert asked.header("content-encoding") in {None, "gzip"}, asked
    assert outputs(asked) == outputs(answer)


async def json_is_taken_under_types_that_say_nothing_else(hop: Hop) -> None:
    plain = outputs(await hop.served(hop.body))
    types = ("application/octet-stream", "text/plain", "application/x-www-form-urlencoded", "application/vnd.v2+json")
    for answer in [await hop.post(hop.body, ("Content-Type", kind)) for kind in types] + [await hop.post(hop.body)]:
        assert answer.status == 200, answer
        assert outputs(answer) == plain
    await hop.refused(415, hop.body, ("Content-Type", "text/csv"))


async def a_bomb_is_refused_at_the_limit(hop: Hop) -> None:
    spaces = b" " * (3 * hop.limit)
    for name, pack in PACK.items():
        assert str(hop.limit) in await hop.refused(413, pack(spaces), JSON, ("Content-Encoding", name))


async def a_body_over_the_limit_is_refused(hop: Hop) -> None:
    large = b" " * (hop.limit + 1)
    assert str(hop.limit) in await hop.refused(413, large, JSON)
    assert str(hop.limit) in await hop.refused(413, chunked(large), JSON, CHUNKED, framing=False)


async def a_body_that_is_not_what_it_says_is_refused(hop: Hop) -> None:
    secret = json.dumps({"inputs": SENTINEL}).encode()
    await hop.refused(400, secret, JSON, GZIP)
    await hop.refused(400, gzip.compress(secret)[:-9], JSON, GZIP)
    await hop.refused(400, secret[:-1], JSON)
    await hop.refused(400, secret, JSON)
    await hop.refused(400, bytes(range(256)) + SENTINEL.encode(), ("Content-Type", "application/octet-stream"))


async def headers_of_60_kib_pass(hop: Hop) -> None:
    for size in (9, 16, 40, 58):
        await hop.served(hop.body, ("Authorization", f"Bearer {'e' * (size * 1024)}"))
    await hop.served(hop.body, *((f"x-trace-{number}", "a" * 50) for number in range(150)))


async def larger_headers_are_refused(hop: Hop) -> None:
    token = SENTINEL + "e" * (80 * 1024)
    await hop.refused(431, hop.body, JSON, ("Authorization", token))
    await hop.refused(431, hop.body, JSON, *((f"x-{number}", SENTINEL + "a" * 1000) for number in range(80)))


async def a_flood_of_headers_is_refused_while_it_comes(hop: Hop) -> None:
    flood = head("POST", urlsplit(hop.url).path, *((f"x-{number}", SENTINEL + "a" * 50_000) for number in range(900)))
    answer = await exchange(hop.url, *(flood[start : start + 65536] for start in range(0, len(flood) - 4, 65536)))
    assert (answer.status, list(answer.document)) == (431, ["error"]), answer  # although the headers never ended


async def ambiguous_framing_is_refused(hop: Hop) -> None:
    answer = await hop.post(chunked(hop.body), JSON, CHUNKED)
    assert answer.status == 400, answer
    answer = await hop.post(hop.body, JSON, ("Content-Length", str(len(hop.body) - 1)))
    assert answer.status == 400, answer


CASES: Sequence[Callable[[Hop], Awaitable[None]]] = (
    compressed_bodies_are_unpacked,
    chunks_and_expectations_change_nothing,
    other_codings_are_refused_with_those_that_are_taken,
    an_answer_is_compressed_only_where_it_was_asked_for,
    json_is_taken_under_types_that_say_nothing_else,
    a_bomb_is_refused_at_the_limit,
    a_body_over_the_limit_is_refused,
    a_body_that_is_not_what_it_says_is_refused,
    headers_of_60_kib_pass,
    larger_headers_are_refused,
    a_flood_of_headers_is_refused_while_it_comes,
    ambiguous_framing_is_refused,
)


def outputs(answer: Answer) -> list[dict[str, Any]]:
    """The outputs of the model, for every compression of the answer."""
    packed = answer.header("content-encoding")
    body = zlib.decompress(answer.body, zlib.MAX_WBITS | 32) if packed in {"gzip", "deflate"} else answer.body
    tensors: list[dict[str, Any]] = json.loads(body)["outputs"]
    return tensors
