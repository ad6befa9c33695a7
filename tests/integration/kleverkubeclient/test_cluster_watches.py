"""Watches that are cut off, refused, expired or silent: no object is missed, and none is invented."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kleverkube.manifest import Manifest
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import PODS
from kleverkubeclient.watched import Watched
from support.loops import running_loops
from support.scripted_cluster import Answer, ScriptedCluster, event, events, pod, scripted_cluster, status
from support.waiting import eventually

EXPIRED = json.dumps({"kind": "Status", "code": 410, "message": "too old resource version"})


TOO_NEW = json.dumps({"kind": "Status", "code": 504, "message": "Timeout: Too large resource version: 9, current: 5"})
DENIED = json.dumps({"kind": "Status", "message": 'pods is forbidden: User "x" cannot watch resource "pods"'})
NOT_SERVED = "404 page not found\n"


class Copy:
    """A copy of the pods, and what was announced of them."""

    def __init__(self, cluster: ScriptedCluster, api: KubernetesApi) -> None:
        self.cluster = cluster
        self.changed: list[str] = []
        self.watched = Watched(api, PODS, "a=b", self._on_change, silence=0.5)

    def _on_change(self, changed: Manifest) -> None:
        self.changed.append(changed["metadata"]["name"])

    def names(self) -> set[str]:
        return {name for _, name in self.watched.objects}

    async def until(self, *names: str) -> None:
        async def is_complete() -> bool:
            return self.names() == set(names)

        await eventually(is_complete, within=20)

    async def until_watched(self, times: int) -> None:
        async def is_watched() -> bool:
            return len(self.cluster.watched_from) >= times

        await eventually(is_watched, within=20)


@asynccontextmanager
async def following(*answers: Answer, pods: tuple[str, ...] = ("a",)) -> AsyncIterator[Copy]:
    """A copy that follows a cluster with these pods."""
    async with scripted_cluster() as (cluster, client):
        cluster.pods = [pod(name, 1) for name in pods]
        cluster.answers = list(answers)
        copy = Copy(cluster, KubernetesApi(client))
        await copy.watched.load()
        async with running_loops(copy.watched.run):
            yield copy


async def test_events_are_taken_over_and_announced() -> None:
    changes = events(event("ADDED", pod("b", 2)), event("MODIFIED", pod("b", 3)), event("DELETED", pod("a", 4)))
    async with following(changes) as copy:
        await copy.until("b")
        assert copy.changed == ["a", "b", "b", "a"]


async def test_a_watch_that_ends_continues_from_its_last_event_or_bookmark() -> None:
    bookmark = event("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    async with following(events(event("ADDED", pod("b", 2))), events(bookmark)) as copy:
        await copy.until_watched(3)
        assert copy.cluster.watched_from[:3] == ["1", "2", "9"]
        assert copy.cluster.lists == 1


@pytest.mark.parametrize(
    "broken",
    [
        events(event("ADDED", pod("b", 2)), cut=True),
        events(event("ADDED", pod("b", 2)), b'{"type": "ADDED", "obj'),
        events(event("ADDED", pod("b", 2)), b"gateway timeout\n"),
    ],
    ids=["cut", "half an event", "no event"],
)
async def test_a_broken_watch_continues_from_its_last_event(broken: Answer) -> None:
    async with following(broken, events(event("ADDED", pod("c", 3)))) as copy:
        await copy.until("a", "b", "c")
        assert copy.cluster.watched_from[:2] == ["1", "2"]
        assert copy.cluster.lists == 1


@pytest.mark.parametrize(
    "answer",
    [status(429, "Too many requests, please try again later."), status(503, "no leader"), status(401, "Unauthorized")],
    ids=["429", "503", "401"],
)
async def test_a_refused_watch_is_repeated(answer: Answer) -> None:
    async with following(answer, events(event("ADDED", pod("b", 2)))) as copy:
        await copy.until("a", "b")
        assert copy.cluster.lists == 1


async def test_the_pause_that_the_server_requests_is_kept() -> None:
    loop = asyncio.get_running_loop()
    busy = status(429, "busy", **{"Retry-After": "1"})
    async with following(busy, events(event("ADDED", pod("b", 2)))) as copy:
        began = loop.time()
        await copy.until_watched(2)
        assert loop.time() - began >= 0.9


@pytest.mark.parametrize(
    "expired",
    [
        events(event("ERROR", json.loads(EXPIRED))),
        *(status(410, EXPIRED), status(504, TOO_NEW), status(404, NOT_SERVED), status(403, DENIED)),
    ],
    ids=["event", "response", "restored server", "kind that was installed again", "watch that is denied"],
)
async def test_an_expired_version_is_replaced_by_a_list(expired: Answer) -> None:
    async with following(expired, pods=("a", "b")) as copy:
        copy.cluster.pods, copy.cluster.version = [pod("b", 1), pod("c", 40)], 50
        await copy.until("b", "c")
        assert sorted(copy.changed) == ["a", "a", "b", "c"]
        await copy.until_watched(2)
        assert copy.cluster.watched_from[:2] == ["1", "50"]


async def test_a_connection_that_is_silent_for_too_long_is_replaced() -> None:
    async with following() as copy:
        await copy.until_watched(1)
        copy.cluster.answers = [events(event("ADDED", pod("b", 2)))]
        await copy.until("a", "b")


async def test_the_reason_is_known_while_the_copy_is_not_up_to_date() -> None:
    async with following(status(503, "etcd has no leader")) as copy:

        async def has_problem() -> bool:
            return "etcd has no leader" in (copy.watched.problem or "")

        await eventually(has_problem, within=20)

        async def is_repaired() -> bool:
            return copy.watched.problem is None

        await eventually(is_repaired, within=20)


async def test_an_object_that_is_known_to_be_deleted_does_not_return_with_an_older_event() -> None:
    async with following() as copy:
        await copy.until_watched(1)
        copy.watched.forget(pod("a", 1))
        copy.cluster.answers = [events(event("MODIFIED", pod("a", 2)), event("ADDED", pod("b", 3)))]
        await copy.until("b")


async def test_a_refused_watch_is_a_problem_until_it_is_permitted() -> None:
    async with following(status(403, DENIED), status(400, "no"), events(event("ADDED", pod("b", 2)))) as copy:
        await copy.until("a", "b")
        await copy.until_watched(4)
        assert copy.watched.problem is None


async def test_what_the_server_has_returned_does_not_replace_what_the_watch_has_reported_since() -> None:
    async with following(events(event("MODIFIED", pod("a", 5)), event("ADDED", pod("b", 6)))) as copy:
        await copy.until("a", "b")
        for returned in (pod("a", 4), pod("deleted", 3)):
            copy.watched.put(returned)
        assert copy.names() == {"a", "b"}
        assert copy.watched.objects["default", "a"]["metadata"]["resourceVersion"] == "5"
        copy.watched.put(pod("c", 7))
        assert copy.names() == {"a", "b", "c"}


async def test_who_manages_the_fields_of_a_pod_is_not_kept() -> None:
    managed = pod("b", 2)
    managed["metadata"]["managedFields"] = [{"manager": "kubelet"}]
    async with following(events(event("ADDED", managed))) as copy:
        await copy.until("a", "b")
        assert "managedFields" not in copy.watched.objects["default", "b"]["metadata"]


async def test_object_that_is_larger_than_a_buffer_is_read() -> None:
    large = pod("b", 2, text="x" * 400_000)
    async with following(events(event("ADDED", large))) as copy:
        await copy.until("a", "b")
        assert copy.watched.objects["default", "b"] == large
