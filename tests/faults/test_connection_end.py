"""The server refuses or ends connections: a service never hangs, and always obeys SIGTERM."""

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.kit_service import KitService, kit_service
from support.nats_server import NatsServer
from support.waiting import eventually

ROOM = "max_connections: 100"
NO_ROOM = "max_connections: -1"
REFUSED = "maximum connections exceeded"
PASSWORD = "authorization {{ user: klever, password: {} }}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path, config=ROOM)
    server.start()
    yield server
    server.stop()


async def _refuses_connections(server: NatsServer, number: int) -> None:
    """Wait until the server has refused this many further connections."""
    before = server.log.read_text().count(REFUSED)

    async def refused() -> bool:
        return server.log.read_text().count(REFUSED) >= before + number

    await eventually(refused, within=30)


def with_password(server: NatsServer, password: str) -> str:
    return server.url.replace("nats://", f"nats://klever:{password}@")


@pytest.fixture
async def service(server: NatsServer, tmp_path: Path) -> AsyncIterator[KitService]:
    async with kit_service(server.url, tmp_path) as service:
        await service.is_ready()
        yield service


async def test_a_server_that_accepts_no_more_connections_ends_the_process(
    server: NatsServer, service: KitService
) -> None:
    server.config = NO_ROOM
    server.reload()
    assert await service.ends() == 1
    assert "the server closed the connection to NATS: nats: maximum connections exceeded" in service.log()


async def test_a_changed_password_ends_the_process_or_is_retried_until_it_is_right(tmp_path: Path) -> None:
    """The outcome depends on whether the client reads the server's reason before the end of the connection."""
    server = NatsServer(tmp_path, config=PASSWORD.format("old"))
    server.start()
    try:
        async with kit_service(with_password(server, "old"), tmp_path) as service:
            await service.is_ready()
            server.config = PASSWORD.format("new")
            server.reload()
            if await service.ends_or_has_problem("nats", "Authorization"):
                assert service.process.returncode == 1
                return
            server.config = PASSWORD.format("old")
            server.reload()
            await service.is_ready()
    finally:
        server.stop()


async def test_a_wrong_password_is_reported_until_it_is_right(tmp_path: Path) -> None:
    server = NatsServer(tmp_path, config=PASSWORD.format("new"))
    server.start()
    try:
        async with kit_service(with_password(server, "old"), tmp_path) as service:
            await service.has_problem("nats", "Authorization")
            server.config = PASSWORD.format("old")
            server.reload()
            await service.is_ready()
            assert service.log().count("Authorization") <= 2
    finally:
        server.stop()


async def test_a_server_that_accepts_no_connections_is_retried_until_it_does(
    server: NatsServer, service: KitService
) -> None:
    """The client reports the server's reason, or a lost connection if the server closed it before the client wrote."""
    server.kill()
    server.config = NO_ROOM
    server.start()
    await _refuses_connections(server, 2)
    await service.has_problem("nats")
    server.config = ROOM
    server.reload()
    await service.is_ready()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_a_service_stops_while_nats_is_down(
    server: NatsServer, service: KitService, signum: signal.Signals
) -> None:
    server.kill()
    await service.has_problem("nats")
    service.process.send_signal(signum)
    assert await service.ends() == 0


async def test_a_service_stops_while_nats_does_not_answer(server: NatsServer, service: KitService) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        service.process.send_signal(signal.SIGTERM)
        assert await service.ends(within=25) == 0
    finally:
        server.process.send_signal(signal.SIGCONT)
