"""Requests that wait for a replica, over real HTTP."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from klever_deployer.adapters.local.access_keys import AccessKeys
from klever_deployer.adapters.local.envoy_config import VERSION_HEADER
from klever_deployer.adapters.local.ingress import LocalIngress
from klever_deployer.adapters.local.placed_routes import PlacedRoute
from klever_deployer.adapters.local.replica_specs import Endpoint
from klever_deployer.adapters.local.waiting_room import WaitingRoom
from kleverroutes.routing import RoutedVersion, ServingRoute, Share
from kleverroutes.versions import ServingName, VersionKey
from kleverserve.access import HEADER
from support.data_planes import version_key
from support.processes import free_port
from support.raw_http import Answer, chunked, exchange, head, read_answer
from support.waiting import eventually

VERSION = version_key("v1")
NEWER = VersionKey(VERSION.serving, VERSION.variant, "beef")
LABEL = (VERSION_HEADER, VERSION.name)
LIMIT = 64 * 1024 * 1024


@dataclass
class Replica:
    """A model server that exists once it is started, and answers with the request."""

    server: TestServer
    started: asyncio.Event = field(default_factory=asyncio.Event)
    failure: str = ""
    woken: list[VersionKey] = field(default_factory=list)
    elsewhere: list[Endpoint] = field(default_factory=list)
    """Replicas that are found first."""
    only: VersionKey | None = None
    """The only version of the replica; by default all."""

    def find(self, version: VersionKey) -> Endpoint | None:
        if self.failure:
            raise LookupError(self.failure)
        if not self.started.is_set() or self.only not in {None, version}:
            return None
        return self.elsewhere.pop() if self.elsewhere else Endpoint("127.0.0.1", self.server.port or 0)

    async def is_woken(self) -> bool:
        return bool(self.woken)


async def echo_request(request: web.Request) -> web.Response:
    headers = [[name.decode(), value.decode()] for name, value in request.raw_headers]
    body = (await request.read()).decode("latin-1")
    answer = web.json_response({"method": request.method, "path": request.raw_path, "headers": headers, "body": body})
    answer.set_status(418)
    answer.headers.extend([("X-Own", "a"), ("X-Own", "b")])
    return answer


async def refuse_at_once(_request: web.Request) -> web.Response:
    return web.json_response({"error": "too large"}, status=413)


async def answer_packed(_request: web.Request) -> web.Response:
    return web.Response(body=gzip.compress(b"packed"), headers={"Content-Encoding": "gzip"})


async def end_in_the_middle(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.fixture
async def replica() -> AsyncIterator[Replica]:
    application = web.Application(client_max_size=1 << 30)
    application.router.add_post("/refuses", refuse_at_once)
    application.router.add_get("/packed", answer_packed)
    application.router.add_get("/ends", end_in_the_middle)
    application.router.add_route("*", "/{path:.*}", echo_request)
    server = TestServer(application, host="127.0.0.1")
    await server.start_server(auto_decompress=False, max_field_size=1 << 16)
    yield Replica(server)
    await server.close()


@dataclass(frozen=True)
class Room:
    """An open waiting room."""

    url: str
    room: WaitingRoom

    async def ask(self, path: str, *headers: tuple[str, str], body: bytes = b"", method: str = "POST") -> Answer:
        return await exchange(self.url, head(method, path, LABEL, *headers), body)

    async def post(self, path: str, body: bytes, *headers: tuple[str, str]) -> Answer:
        return await self.ask(path, ("Content-Length", str(len(body))), *headers, body=body)

    async def refusal(self, *headers: tuple[str, str]) -> tuple[int, str]:
        answer = await self.ask("/v2", *headers, method="GET")
        return answer.status, str(answer.document["error"])


@asynccontextmanager
async def opened(replica: Replica, *, patience: float = 20.0, keys: AccessKeys | None = None) -> AsyncIterator[Room]:
    room = WaitingRoom(replica.find, replica.woken.append, patience=patience, max_waiting=3, limit=LIMIT, keys=keys)
    task = asyncio.create_task(room.run())
    endpoint = room.endpoint(VERSION)
    yield Room(f"http://{endpoint.host}:{endpoint.port}", room)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_requests_wake_a_replica_and_are_forwarded_unchanged(replica: Replica) -> None:
    async with opened(replica) as room:
        asked = [asyncio.create_task(room.post("/v2/a%20b%2F?c=%7E", f"body {n}".encode())) for n in range(3)]
        await eventually(replica.is_woken)
        replica.started.set()
        for number, answer in enumerate(await asyncio.gather(*asked)):
            came = answer.document
            assert answer.status == 418
            assert [value for name, value in answer.headers if name == "X-Own"] == ["a", "b"]
            assert (came["method"], came["path"], came["body"]) == ("POST", "/v2/a%20b%2F?c=%7E", f"body {number}")
    assert set(replica.woken) == {VERSION}


async def test_neither_headers_nor_bodies_are_changed(replica: Replica) -> None:
    replica.started.set()
    sent = [("X-Two", "a"), ("Content-Encoding", "gzip"), ("X-Two", "b"), ("Cookie", "e" * 40_000)]
    async with opened(replica) as room:
        body = gzip.compress(b"{}")
        came = (await room.post("/v2", body, *sent, ("Connection", "x-mine"), ("X-Mine", "1"))).document
        assert came["body"].encode("latin-1") == body
        kept = [("Host", "test"), LABEL, ("Content-Length", str(len(body))), *sent]
        assert [tuple(each) for each in came["headers"] if each[0] != "Connection"] == kept
        chunks = await room.ask("/v2", ("Transfer-Encoding", "chunked"), body=chunked(body, 5))
        assert chunks.document["body"].encode("latin-1") == body
        assert (await room.ask("/packed", method="GET")).body == gzip.compress(b"packed")


async def test_a_body_is_not_read_before_a_replica_takes_the_request(replica: Replica) -> None:
    body = b" " * LIMIT
    async with opened(replica) as room:
        _, port = room.url.rsplit(":", 1)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(head("POST", "/v2", LABEL, ("Content-Length", str(len(body)))) + body)
        await eventually(lambda: woken_often(replica))
        assert writer.transport.get_write_buffer_size() > len(body) // 2
        replica.started.set()
        assert (await read_answer(reader)).document["body"] == body.decode()
        writer.close()


async def woken_often(replica: Replica) -> bool:
    """Wait until a body could have arrived."""
    return len(replica.woken) > 50


async def test_a_body_over_the_limit_is_refused(replica: Replica) -> None:
    replica.started.set()
    async with opened(replica) as room:
        announced = await room.ask("/v2", ("Content-Length", str(LIMIT + 1)))
        assert (announced.status, announced.document["error"]) == (413, f"the body has more than {LIMIT} bytes")
        large = chunked(b" " * (LIMIT + 1))
        assert (await room.ask("/v2", ("Transfer-Encoding", "chunked"), body=large)).status == 413
        refused = await room.post("/refuses", b" " * LIMIT)
        assert (refused.status, refused.document) == (413, {"error": "too large"})


async def test_a_request_for_a_superseded_revision_goes_to_the_current_one(replica: Replica) -> None:
    replica.only = NEWER
    replica.started.set()
    async with opened(replica) as room:
        waiting = asyncio.create_task(room.post("/v2", b"{}"))
        await eventually(replica.is_woken)
        room.room.follow(route_to(NEWER))
        assert (await waiting).status == 418
        assert (await room.post("/v2", b"{}")).status == 418, "also what comes by the old route yet"
        replica.started.clear()
        waiting = asyncio.create_task(room.post("/v2", b"{}"))
        await eventually(lambda: last_woken_is(replica, NEWER))
        room.room.forget(VERSION.serving)
        assert (await waiting).document["error"] == f"{VERSION.serving} is no longer served"


async def last_woken_is(replica: Replica, version: VersionKey) -> bool:
    return replica.woken[-1] == version


async def test_a_changed_route_applies_before_it_waits_for_open_requests(replica: Replica) -> None:
    replica.only = NEWER
    replica.started.set()
    async with opened(replica) as room:
        waiting = asyncio.create_task(room.post("/v2", b"{}"))

        await eventually(replica.is_woken)
        proxy = Draining(waiting)
        plane = LocalIngress(proxy, lambda _version: (), room.room)
        await plane.apply(route_to(NEWER))
        assert plane.served() == {NEWER.serving}
        await plane.remove(NEWER.serving)
        assert await room.refusal() == (503, "no serving has this path")


class Draining:
    """A proxy that accepts a route once nobody waits on the old one."""

    drain_seconds = 0.0

    def __init__(self, waiting: asyncio.Task[Answer]) -> None:
        self._waiting = waiting
        self._served: set[ServingName] = set()

    async def apply(self, route: PlacedRoute) -> None:
        assert (await self._waiting).status == 418
        self._served.add(route.route.serving)

    async def remove(self, serving: ServingName) -> None:
        self._served.discard(serving)

    def is_up(self) -> bool:
        return True

    def served(self) -> set[ServingName]:
        return set(self._served)


def route_to(version: VersionKey) -> ServingRoute:
    return ServingRoute(version.serving, (RoutedVersion(version),), (Share(version, 100),))


async def test_a_replica_that_never_starts_is_an_answer_with_the_reason(replica: Replica) -> None:
    async with opened(replica, patience=0.05) as room:
        assert await room.refusal() == (503, "no model server was ready after 0.05 s")
        replica.failure = "the model server does not start: no file"
        assert await room.refusal() == (503, replica.failure)
        for name in ("other", "a/b/c/d"):
            answer = await exchange(room.url, head("GET", "/v2", (VERSION_HEADER, name)))
            assert (answer.status, answer.document["error"]) == (503, "no serving has this path")


async def test_the_number_of_waiting_requests_is_limited(replica: Replica) -> None:
    async with opened(replica) as room:
        announced = ("Content-Length", str(LIMIT))  # whose bodies never arrive
        waiting = [asyncio.create_task(room.ask("/v2", announced)) for _ in range(4)]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result().document["error"] for task in done} == {"3 requests are already waiting: try again later"}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_clients_that_leave_free_their_places(replica: Replica) -> None:
    async with opened(replica) as room:
        leaving = [asyncio.create_task(room.ask("/v2", method="GET")) for _ in range(4)]
        await asyncio.wait(leaving, return_when=asyncio.FIRST_COMPLETED)  # the others fill the room
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        await eventually(lambda: is_let_in(room))


async def is_let_in(room: Room) -> bool:
    """Return whether another request waits instead of being refused at once."""
    one = asyncio.create_task(room.ask("/v2", method="GET"))
    done, _ = await asyncio.wait({one}, timeout=0.3)
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    return not done


async def test_a_stopped_replica_gets_no_requests(replica: Replica) -> None:
    replica.started.set()
    replica.elsewhere.append(Endpoint("127.0.0.1", free_port()))
    async with opened(replica) as room:
        assert (await room.post("/v2", b"{}")).document["body"] == "{}"


async def test_a_replica_that_exits_during_a_request_is_an_answer_too(replica: Replica) -> None:
    replica.started.set()
    async with opened(replica) as room:
        answer = await room.ask("/ends", method="GET")
    assert answer.status == 503
    assert answer.document == {"error": "the model server exited while it processed the request"}


async def test_only_the_ingress_wakes_a_replica(replica: Replica) -> None:
    replica.started.set()
    keys = AccessKeys(b"secret")
    async with opened(replica, keys=keys) as room:
        others = [(), ((HEADER, "guessed"),), ((HEADER, keys(ServingName("default", "another"))),)]
        assert [(await room.ask("/v2", *headers, method="GET")).status for headers in others] == [403, 403, 403]
        assert replica.woken == []
        assert (await room.ask("/v2", (HEADER, keys(VERSION.serving)), method="GET")).status == 418
