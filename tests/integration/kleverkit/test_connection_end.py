"""The server refuses or ends connections: a service never hangs, and always follows SIGTERM."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest

from support.kit_service import KitService, kit_service
from support.nats_server import NatsServer

ROOM = "max_connections: 100"
NO_ROOM = "max_connections: 1"
PASSWORD = "authorization {{ user: klever, password: {} }}"


@pytest.fixture
def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    server = NatsServer(tmp_path, config=ROOM)
    server.start()
    yield server
    server.stop()


def with_password(server: NatsServer, password: str) -> str:
    return server.url.replace("nats://", f"nats://klever:{password}@")


@pytest.fixture
async def service(server: NatsServer, tmp_path: Path) -> AsyncIterator[KitService]:
    async with kit_service(server.url, tmp_path) as service:
        await service.is_ready()
        yield service


async def test_a_full_server_ends_the_connection_and_the_process(server: NatsServer, service: KitService) -> None:
    other = await nats.connect(server.url)
    server.config = NO_ROOM
    server.reload()
    status = await service.ends()
    assert status == 1
    assert "the server closed the connection to NATS" in service.log()
    await other.close()


async def test_a_changed_password_ends_the_process(tmp_path: Path) -> None:
    server = NatsServer(tmp_path, config=PASSWORD.format("old"))
    server.start()
    try:
        async with kit_service(with_password(server, "old"), tmp_path) as service:
            await service.is_ready()
            server.config = PASSWORD.format("new")
            server.reload()
            assert await service.ends() == 1
            assert "Authorization" in service.log()
    finally:
        server.stop()


async def test_a_wrong_password_is_said_until_it_is_right(tmp_path: Path) -> None:
    server = NatsServer(tmp_path, config=PASSWORD.format("new"))
    server.start()
    try:
        async with kit_service(with_password(server, "old"), tmp_path) as service:
            await service.has_problem("nats")
            server.config = PASSWORD.format("old")
            server.reload()
            await service.is_ready()
            assert service.log().count("Authorization") <= 2
    finally:
        server.stop()


async def test_a_full_server_at_reconnecting_is_tried_until_there_is_room(
    server: NatsServer, service: KitService
) -> None:
    server.kill()
    server.config = NO_ROOM
    server.start()
    other = await nats.connect(server.url)
    await service.has_problem("nats")
    server.config = ROOM
    server.reload()
    await service.is_ready()
    await other.close()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_while_nats_is_away(server: NatsServer, service: KitService, signum: signal.Signals) -> None:
    server.kill()
    await service.has_problem("nats")
    service.process.send_signal(signum)
    assert await service.ends() == 0


async def test_it_stops_while_nats_does_not_answer(server: NatsServer, service: KitService) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        service.process.send_signal(signal.SIGTERM)
        assert await service.ends(within=25) == 0
    finally:
        server.process.send_signal(signal.SIGCONT)
