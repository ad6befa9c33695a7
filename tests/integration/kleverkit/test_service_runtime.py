"""A service survives a late start, a kill and a restart of NATS, and stops on request."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import nats
import pytest

from kleverkit.documents import Change, Snapshot
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverkit.provisioning import provision
from kleverproto.jobs import JobDocument, JobStatus
from kleverproto.streams import JOBS_BUCKET
from support.golden_events import JOB_SPEC, NOW
from support.nats_server import NatsServer
from support.processes import free_port
from support.waiting import eventually

SERVICE = """
from kleverkit.service import main, make_runtime
from kleverkit.settings import ServiceSettings
main("test", ServiceSettings, lambda settings: make_runtime("test", settings))
"""

BUSY_SERVICE = """
import asyncio
from aiohttp import web
from kleverkit.service import main, make_runtime
from kleverkit.settings import ServiceSettings

def build(settings):
    runtime, closed = make_runtime("test", settings), asyncio.Event()

    async def close():
        closed.set()

    async def report(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"started ")
        await asyncio.wait([asyncio.create_task(closed.wait())], timeout=1)
        is_usable = runtime.client.is_connected and not closed.is_set()
        await response.write(b"usable" if is_usable else b"closed")
        return response

    runtime.on_stop.append(close)
    runtime.web.router.add_get("/report", report)
    return runtime

main("test", ServiceSettings, build)
"""
"""A service with a request that reports, at its end, whether NATS and the service's own resource are still usable."""


class RunningService:
    """A bare service in a separate process."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    async def status(self, path: str) -> int:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            return response.status

    async def wait_for(self, path: str, status: int) -> None:
        async def answers() -> bool:
            return await self.status(path) == status

        await eventually(answers, within=20)


@asynccontextmanager
async def running(own_nats: NatsServer, code: str) -> AsyncIterator[RunningService]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        env=os.environ | {"KLEVER_NATS_URL": own_nats.url, "KLEVER_PORT": str(port)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    yield RunningService(process, port)
    if process.returncode is None:
        process.kill()
    await process.wait()


@pytest.fixture
async def service(own_nats: NatsServer) -> AsyncIterator[RunningService]:
    """A service that starts before NATS."""
    own_nats.stop()
    async with running(own_nats, SERVICE) as started:
        yield started


async def test_a_service_is_alive_without_nats_and_ready_once_nats_is_there(
    own_nats: NatsServer, service: RunningService
) -> None:
    await service.wait_for("/healthz", 200)
    assert await service.status("/readyz") == 503
    own_nats.start()
    await service.wait_for("/readyz", 200)
    own_nats.kill()
    await service.wait_for("/readyz", 503)
    own_nats.start()
    await service.wait_for("/readyz", 200)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("connected", [True, False])
async def test_a_service_exits_cleanly_on_a_signal(
    own_nats: NatsServer, service: RunningService, signum: signal.Signals, *, connected: bool
) -> None:
    if connected:
        own_nats.start()
    await service.wait_for("/readyz", 200 if connected else 503)
    service.process.send_signal(signum)
    assert await asyncio.wait_for(service.process.wait(), 10) == 0


async def test_a_request_in_progress_ends_before_a_stopping_service_closes_its_resources(own_nats: NatsServer) -> None:
    async with running(own_nats, BUSY_SERVICE) as service:
        await service.wait_for("/readyz", 200)
        async with aiohttp.ClientSession() as session, session.get(service.url + "/report") as response:
            assert await response.content.readexactly(8) == b"started "
            service.process.send_signal(signal.SIGTERM)
            assert await response.content.read() == b"usable"


async def test_changes_resume_after_nats_was_killed(own_nats: NatsServer) -> None:
    client = await nats.connect(own_nats.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    await provision(client.jetstream())
    source = ClientSource()
    source.set(client)
    jobs = NatsDocuments(source, JOBS_BUCKET, JobDocument)
    document = JobDocument(id="a", spec=JOB_SPEC, status=JobStatus(), created_at=NOW, updated_at=NOW)
    await jobs.create("a", document)
    changes = jobs.changes()
    assert isinstance(await anext(changes), Snapshot)
    own_nats.kill()
    own_nats.start()
    again = await asyncio.wait_for(anext(changes), 15)
    assert isinstance(again, Snapshot)
    assert [stored.key for stored in again.documents] == ["a"]
    revision = await jobs.create("b", document)
    assert await asyncio.wait_for(anext(changes), 5) == Change("b", document, revision)
    await changes.aclose()
    await client.close()
