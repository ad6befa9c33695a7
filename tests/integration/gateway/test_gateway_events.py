"""Live events of the gateway on real NATS."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientTimeout

from klever.client import KleverClient
from kleverproto.jobs import JobCancelRequested
from kleverproto.models import ModelDeleted
from kleverproto.references import ModelRef
from kleverproto.servings import ServingDeleted, ServingProgressed
from support.gateway import BASE, NOW, Gateway, Owner, digest, owner_at, running_gateway
from support.nats_server import NatsServer
from support.waiting import eventually

Frame = dict[str, str]


@pytest.fixture
async def owner(nats_url: str) -> AsyncIterator[Owner]:
    async with owner_at(nats_url) as owner:
        yield owner


@pytest.fixture
async def gateway(nats_url: str, owner: Owner, tmp_path: Path) -> AsyncIterator[Gateway]:
    assert owner.client.is_connected
    async with running_gateway(nats_url, tmp_path, keep_alive_seconds=0.2) as gateway:
        yield gateway


class Listener:
    """Reads an event stream frame by frame."""

    def __init__(self, content: Any) -> None:
        self._content = content
        self.comments = 0

    async def frame(self) -> Frame:
        """Return the next frame that is not only a comment."""
        fields: Frame = {}
        while True:
            line = (await asyncio.wait_for(self._content.readline(), 15)).decode().rstrip("\n")
            if line.startswith(":"):
                self.comments += 1
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                return fields

    async def ids(self, count: int) -> list[str]:
        """The ids of the next CloudEvents."""
        return [json.loads((await self.frame())["data"])["id"] for _ in range(count)]


@asynccontextmanager
async def listening(gateway: Gateway, query: str = "", last: str = "") -> AsyncIterator[tuple[Listener, Frame]]:
    headers = {"Last-Event-ID": last} if last else {}
    url = f"{gateway.url}{BASE}/events{query}"
    async with gateway.session.get(url, headers=headers, timeout=ClientTimeout(total=None)) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        listener = Listener(response.content)
        yield listener, await listener.frame()


def progressed(step: str, name: str = "iris") -> ServingProgressed:
    return ServingProgressed(namespace="default", name=name, generation=1, step=step)


async def test_events_of_all_streams_arrive_as_cloudevents(gateway: Gateway, owner: Owner) -> None:
    await owner.publish(progressed("before"), "before")
    async with listening(gateway) as (listener, first):
        assert first.keys() == {"retry", "id"}
        await owner.publish(progressed("now"), "s")
        frame = await listener.frame()
        assert frame["event"] == "dev.klever.serving.progressed.v1"
        event = json.loads(frame["data"])
        assert (event["specversion"], event["id"], event["subject"]) == ("1.0", "s", "default/iris")
        assert event["data"]["step"] == "now"
        await owner.publish(JobCancelRequested(id="job-1"), "j")
        await owner.publish(ModelDeleted(ref=ModelRef.parse("a/b:c"), digest=digest(1)), "m")
        assert sorted(await listener.ids(2)) == ["j", "m"]


async def test_a_client_that_reconnects_misses_nothing_and_sees_nothing_twice(gateway: Gateway, owner: Owner) -> None:
    async with listening(gateway) as (listener, _):
        for number in range(3):
            await owner.publish(progressed(str(number)), f"s{number}")
        last = [await listener.frame() for _ in range(2)][-1]["id"]
    await owner.publish(JobCancelRequested(id="job-1"), "j")
    await owner.publish(progressed("3"), "s3")
    async with listening(gateway, last=last) as (listener, _):
        assert sorted(await listener.ids(3)) == ["j", "s2", "s3"]
        await owner.publish(progressed("4"), "s4")
        assert await listener.ids(1) == ["s4"]


async def test_only_the_requested_types_and_subjects_arrive(gateway: Gateway, owner: Owner) -> None:
    query = "?type=dev.klever.serving.progressed.v1&type=dev.klever.model.deleted.v1&subject=default/iris"
    async with listening(gateway, query) as (listener, _):
        await owner.publish(progressed("x", name="other"), "other-name")
        await owner.publish(ServingDeleted(namespace="default", name="iris"), "other-type")
        await owner.publish(JobCancelRequested(id="job-1"), "other-stream")
        await owner.publish(progressed("x"), "wanted")
        assert await listener.ids(1) == ["wanted"]
    async with listening(gateway, "?subject=a/deep/b") as (listener, _):
        await owner.publish(ModelDeleted(ref=ModelRef.parse("a/deep:c"), digest=digest(1)), "m1")
        await owner.publish(ModelDeleted(ref=ModelRef.parse("a/deep/b:c"), digest=digest(1)), "m2")
        assert await listener.ids(1) == ["m2"]


async def test_a_silent_stream_is_kept_open_by_comments(gateway: Gateway, owner: Owner) -> None:
    async with listening(gateway) as (listener, _):
        waiting = asyncio.create_task(listener.frame())

        async def kept() -> bool:
            return listener.comments >= 2

        await eventually(kept)
        await owner.publish(progressed("x"), "late")
        assert json.loads((await waiting)["data"])["id"] == "late"


async def test_an_unknown_event_id_is_refused(gateway: Gateway) -> None:
    answer = await gateway.get("/events", headers={"Last-Event-ID": "yesterday"})
    assert (answer.status, answer.json()["code"]) == (422, "invalid")


async def test_a_stream_resumes_without_loss_after_a_restart_of_nats(own_nats: NatsServer, tmp_path: Path) -> None:
    async with (
        owner_at(own_nats.url) as owner,
        running_gateway(own_nats.url, tmp_path / "data") as gateway,
        listening(gateway) as (listener, _),
    ):
        await owner.publish(progressed("1"), "s1")
        assert await listener.ids(1) == ["s1"]
        own_nats.kill()
        own_nats.start()

        async def published() -> bool:
            await owner.publish(progressed("2"), "s2")
            return True

        await eventually(published, within=15)
        assert await listener.ids(1) == ["s2"]


async def test_events_of_a_recreated_stream_follow_a_gap(gateway: Gateway, owner: Owner) -> None:
    async with listening(gateway) as (listener, _):
        for number in range(5):
            await owner.publish(progressed(str(number)), f"s{number}")
        assert await listener.ids(5) == [f"s{number}" for number in range(5)]
        await owner.recreate("KLEVER_SERVINGS")
        await owner.publish(progressed("new"), "n1")
        await owner.publish(progressed("new"), "n2")
        gap = await listener.frame()
        assert (gap["event"], json.loads(gap["data"])["stream"]) == ("gap", "KLEVER_SERVINGS")
        assert await listener.ids(2) == ["n1", "n2"]


async def test_a_position_in_a_deleted_stream_starts_at_the_beginning_of_the_new_one(
    gateway: Gateway, owner: Owner
) -> None:
    async with listening(gateway) as (listener, _):
        for number in range(5):
            await owner.publish(progressed(str(number)), f"s{number}")
        last = [await listener.frame() for _ in range(5)][-1]["id"]
    await owner.recreate("KLEVER_SERVINGS")
    await owner.publish(progressed("new"), "n1")
    async with listening(gateway, last=last) as (listener, _):
        gap = await listener.frame()
        assert gap["event"] == "gap"
        frame = await listener.frame()
        assert json.loads(frame["data"])["id"] == "n1"
    async with listening(gateway, last=frame["id"]) as (listener, _):
        await owner.publish(progressed("new"), "n2")
        assert await listener.ids(1) == ["n2"]


async def test_a_client_that_was_away_too_long_is_shown_the_gap(gateway: Gateway, owner: Owner) -> None:
    async with listening(gateway) as (listener, first):
        await owner.publish(progressed("1"), "s1")
        assert await listener.ids(1) == ["s1"]
    await owner.publish(progressed("2"), "s2")
    await owner.client.jetstream().purge_stream("KLEVER_SERVINGS")
    await owner.publish(progressed("3"), "s3")
    async with listening(gateway, last=first["id"]) as (listener, _):
        assert "expired" in json.loads((await listener.frame())["data"])["reason"]
        assert await listener.ids(1) == ["s3"]


async def test_a_stream_resumes_after_its_consumers_were_deleted(gateway: Gateway, owner: Owner) -> None:
    async with listening(gateway) as (listener, _):
        await owner.publish(progressed("1"), "s1")
        assert await listener.ids(1) == ["s1"]
        assert await owner.delete_consumers("KLEVER_SERVINGS")
        await owner.publish(progressed("2"), "s2")
        assert await listener.ids(1) == ["s2"]


async def test_the_client_library_reports_where_events_may_be_missing(gateway: Gateway, owner: Owner) -> None:
    gaps: list[str] = []
    async with KleverClient(gateway.url) as client, aclosing(client.events(on_gap=gaps.append)) as events:
        first, numbers = asyncio.create_task(events.__anext__()), count()

        async def has_come() -> bool:
            await owner.publish(progressed("before"), f"s{next(numbers)}")
            return first.done()

        await eventually(has_come)
        await owner.recreate("KLEVER_SERVINGS")
        await owner.publish(progressed("after"), "n1")
        while (await asyncio.wait_for(anext(events), 15)).id != "n1":
            assert not gaps
    assert gaps == ["KLEVER_SERVINGS: the stream was deleted and created again"]


async def test_a_client_that_does_not_read_is_disconnected(nats_url: str, owner: Owner, tmp_path: Path) -> None:
    async with running_gateway(nats_url, tmp_path, slow_client_seconds=0.3) as gateway:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((gateway.host, gateway.port))
            client.sendall(f"GET {BASE}/events HTTP/1.1\r\nHost: localhost:{gateway.port}\r\n\r\n".encode())
            assert await asyncio.to_thread(client.recv, 12) == b"HTTP/1.1 200"
            for number in range(16):
                await owner.publish(progressed("x" * 900_000), f"s{number}")

            async def cut_off() -> bool:
                metrics = (await gateway.get("/metrics")).text
                return 'route="/api/v1alpha1/events"' in metrics

            await eventually(cut_off, within=20)


async def test_the_newest_events_of_a_serving_are_listed(gateway: Gateway, owner: Owner) -> None:
    for number in range(5):
        await owner.publish(progressed(str(number)), f"s{number}")
        await owner.publish(progressed("x", name="other"), f"o{number}")
    listed = await gateway.json("/namespaces/default/servings/iris/events?limit=3")
    assert [event["id"] for event in listed["items"]] == ["s2", "s3", "s4"]
    assert (await gateway.get("/namespaces/default/servings/nothing/events")).status == 404


async def test_events_are_listed_in_order_of_arrival_whatever_their_timestamps(gateway: Gateway, owner: Owner) -> None:
    for hours in (3, 1, 2):
        await owner.publish(progressed(str(hours)), f"s{hours}", at=NOW + timedelta(hours=hours))
    listed = await gateway.json("/namespaces/default/servings/iris/events?limit=2")
    assert [event["id"] for event in listed["items"]] == ["s1", "s2"]
