"""Reports of denied requests."""

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes_asyncio.client import ApiClient, Configuration

from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.denials import REPEATED_SECONDS, Denials
from kleverkubeclient.failures import DeniedError
from kleverkubeclient.resources import EVENTS


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_denial_is_reported_until_the_request_is_permitted() -> None:
    denials = Denials()
    denials.note("PATCH /a", "cannot patch a")
    denials.note("PATCH /b", "cannot patch b")
    assert denials.problem() == "cannot patch a; cannot patch b"
    denials.forget("PATCH /a")
    assert denials.problem() == "cannot patch b"


def test_a_request_that_is_not_repeated_is_needed_no_more() -> None:
    clock = Clock()
    denials = Denials(clock)
    denials.note("PATCH /a", "cannot patch a")
    clock.now = REPEATED_SECONDS
    assert denials.problem() is None


async def deny(_request: web.Request) -> web.Response:
    message = 'events is forbidden: User "klever" cannot list resource "events"'
    return web.Response(status=403, text=json.dumps({"kind": "Status", "message": message}))


@pytest.mark.parametrize("is_optional", [False, True])
async def test_a_denied_list_is_reported_unless_the_service_works_without_it(*, is_optional: bool) -> None:
    app = web.Application()
    app.router.add_get("/api/v1/events", deny)
    async with TestServer(app) as server, ApiClient(Configuration(host=str(server.make_url("")).rstrip("/"))) as client:
        api = KubernetesApi(client)
        with pytest.raises(DeniedError):
            await api.list(EVENTS, "", is_optional=is_optional)
        assert (api.denials.problem() is None) is is_optional
