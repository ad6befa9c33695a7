"""`Retry-After`: a registry gets no request before the time that it names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from ormb.adapters.api import RegistryApi
from ormb.adapters.challenge import Authorizer
from ormb.adapters.http import HttpRegistry
from ormb.adapters.pauses import Pauses
from ormb.adapters.sessions import UploadSessions
from ormb.adapters.transport import Transport
from ormb.errors import RegistryError, ThrottledError
from ormb.mediatypes import OCI_MANIFEST
from ormb.packing import pack
from ormb.ports import Silent
from ormb.transfer import Transfer
from support.scripted_registry import ANN, BEARER_CHALLENGE, ScriptedRegistry, wants
from support.small_models import big_file, many_files
from support.waiting import others


class Time:
    """A clock that moves when something sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        await others(1)
        self.now = max(self.now, until)


@asynccontextmanager
async def timed(tmp_path: Path, time: Time) -> AsyncIterator[HttpRegistry]:
    """A client whose delays take no time."""
    async with aiohttp.ClientSession() as session:
        transport = Transport(session, pauses=Pauses(clock=lambda: time.now, sleep=time.sleep))
        authorizer = Authorizer(lambda _host, _warn: ANN, transport)
        yield HttpRegistry(
            RegistryApi(transport, authorizer), sessions=UploadSessions(tmp_path / "uploads"), chunk_bytes=1024
        )


class Throttled:
    """A registry that refuses requests for a while from the third one on."""

    def __init__(self, time: Time, seconds: float, **answer: str) -> None:
        self.time = time
        self.until = float("inf")
        self.seconds = seconds
        self.answer = answer
        self.times: list[float] = []

    def __call__(self, _request: web.Request) -> web.Response | None:
        self.times.append(self.time.now)
        if len(self.times) == 3:
            self.until = self.time.now + self.seconds
        if len(self.times) < 3 or self.time.now >= self.until:
            return None
        headers = {"Retry-After": str(int(self.seconds)), **{k.replace("_", "-"): v for k, v in self.answer.items()}}
        return web.Response(status=int(headers.pop("status", "429")), headers=headers)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"status": "503"},
        {"Date": "Thu, 26 Nov 2026 22:00:00 GMT", "Retry_After": "Thu, 26 Nov 2026 22:01:00 GMT"},
    ],
)
async def test_a_registry_gets_no_requests_before_its_retry_after_time(
    scripted: ScriptedRegistry, tmp_path: Path, answer: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    time = Time()
    scripted.script = throttled = Throttled(time, 60, **answer)
    packed = pack(many_files(tmp_path / "m"))
    caplog.set_level("WARNING", logger="ormb")
    async with timed(tmp_path, time) as http:
        await Transfer(http, concurrency=4).upload(scripted.reference, packed.layers, Silent())
        await http.put_manifest(scripted.reference, packed.manifest, OCI_MANIFEST)
    assert set(scripted.blobs) == {layer.descriptor.digest for layer in packed.layers}
    assert {at for at in throttled.times if 0 < at < 60} == set()
    assert len([at for at in throttled.times if at == 0]) <= 2 + 4, "those that were under way together"
    status = answer.get("status", "429")
    assert caplog.messages == [f"{scripted.host} answered {status}: waiting 60 seconds, as it asks"]


@pytest.mark.parametrize("method", ["get_manifest", "has_blob", "get_blob", "get_referrers", "put_manifest", "token"])
async def test_every_kind_of_request_waits_for_retry_after(
    scripted: ScriptedRegistry, tmp_path: Path, method: str
) -> None:
    time, named = Time(), scripted.reference
    scripted.script = throttled = Throttled(time, 60)
    scripted.blobs["sha256:0"] = b"blob"
    scripted.manifests["v1"] = b"{}", OCI_MANIFEST
    throttled.times = [0.0, 0.0]
    if method == "token":
        scripted.script = lambda request: (
            (throttled(request) if request.path == "/token" else None) or wants("Bearer t", BEARER_CHALLENGE)(request)
        )
    async with timed(tmp_path, time) as http:
        if method == "get_blob":
            assert b"".join([chunk async for chunk in http.get_blob(named, "sha256:0")]) == b"blob"
        elif method == "put_manifest":
            await http.put_manifest(named, b"{}", OCI_MANIFEST)
        elif method in {"has_blob", "get_referrers"}:
            await getattr(http, method)(named, "sha256:0")
        else:
            assert (await http.get_manifest(named))[0] == b"{}"
    assert throttled.times[2:] == [0.0, 60.0]


async def test_a_delay_that_is_too_long_fails_the_command_at_once_with_the_time(
    scripted: ScriptedRegistry, tmp_path: Path
) -> None:
    time = Time()
    scripted.script = throttled = Throttled(time, 3600)
    throttled.times = [0.0, 0.0]
    async with timed(tmp_path, time) as http:
        for _ in range(2):
            with pytest.raises(ThrottledError, match=r"for 3600 seconds: try again after \d{4}-\d\d-\d\d \d\d:\d\d"):
                await http.get_manifest(scripted.reference)
    assert (time.now, len(throttled.times)) == (0.0, 3)


async def test_endless_delays_fail_the_command(scripted: ScriptedRegistry, tmp_path: Path) -> None:
    time = Time()
    scripted.script = lambda _request: web.Response(status=429, headers={"Retry-After": "60"})
    async with timed(tmp_path, time) as http:
        with pytest.raises(RegistryError, match="answered 429"):
            await http.get_manifest(scripted.reference)
    assert time.now <= 300


async def test_only_the_delayed_chunk_is_sent_again(scripted: ScriptedRegistry, tmp_path: Path) -> None:
    time = Time()
    throttled = Throttled(time, 60)
    scripted.script = lambda request: throttled(request) if request.method == "PATCH" else None
    packed = pack(big_file(tmp_path / "m"))
    async with timed(tmp_path, time) as http:
        await Transfer(http).upload(scripted.reference, packed.layers, Silent())
    assert len(scripted.targets("PATCH")) == 4 + 1
    assert time.now == 60
