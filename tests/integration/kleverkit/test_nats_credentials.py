"""A service without the right credentials reports it, and works as soon as it has them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from klever.platform.home import NatsFiles
from klever.platform.nats_access import NatsAccess
from kleverproto.streams import JOBRUNNER_EXTRACT
from support.guarded_nats import GuardedNats
from support.kit_service import kit_service

SLOW = 60.0
"""Seconds, since a process may take long to start on a busy machine."""


@pytest.fixture
async def guarded_nats(tmp_path: Path) -> AsyncIterator[GuardedNats]:
    guarded = GuardedNats(tmp_path)
    guarded.server.start()
    await guarded.provide()
    yield guarded
    guarded.server.stop()


def jobrunner(guarded_nats: GuardedNats) -> bytes:
    """The credentials of the service whose consumer the kit's service uses."""
    assert JOBRUNNER_EXTRACT.service == "jobrunner"
    return guarded_nats.files.credentials_of("jobrunner").read_bytes()


async def test_missing_credentials_are_reported_until_they_exist(guarded_nats: GuardedNats, tmp_path: Path) -> None:
    credentials = tmp_path / "service.nk"
    async with kit_service(guarded_nats.server.url, tmp_path, credentials=credentials) as service:
        await service.has_problem("nats", str(credentials), "No such file", "klever nats-config", within=SLOW)
        credentials.write_bytes(jobrunner(guarded_nats))
        await service.is_ready(within=SLOW)


async def test_a_file_without_credentials_is_reported(guarded_nats: GuardedNats, tmp_path: Path) -> None:
    credentials = tmp_path / "service.nk"
    credentials.write_text("a password")
    async with kit_service(guarded_nats.server.url, tmp_path, credentials=credentials) as service:
        await service.has_problem("nats", str(credentials), "not the seed of an NKey", within=SLOW)
        credentials.write_bytes(jobrunner(guarded_nats))
        await service.is_ready(within=SLOW)


async def test_refused_credentials_are_reported_until_the_server_knows_them(
    guarded_nats: GuardedNats, tmp_path: Path
) -> None:
    other = NatsFiles(tmp_path / "other")
    NatsAccess(other).prepare()
    guarded_nats.server.stop()
    guarded_nats.server.config = other.config.read_text()
    guarded_nats.server.start()
    credentials = guarded_nats.files.credentials_of("jobrunner")
    async with kit_service(guarded_nats.server.url, tmp_path, credentials=credentials) as service:
        await service.has_problem("nats", f"refuses the credentials in {credentials}", within=SLOW)
        guarded_nats.reload()
        await service.is_ready(within=SLOW)
        assert service.log().count("refuses the credentials") == 1


async def test_a_server_that_requires_credentials_is_reported_if_none_are_set(
    guarded_nats: GuardedNats, tmp_path: Path
) -> None:
    async with kit_service(guarded_nats.server.url, tmp_path) as service:
        await service.has_problem("nats", "NATS requires credentials", "_NATS_CREDENTIALS", within=SLOW)


async def test_a_service_with_credentials_waits_for_streams_that_it_may_not_create(
    guarded_nats: GuardedNats, tmp_path: Path
) -> None:
    guarded_nats.server.lose_store()
    credentials = guarded_nats.files.credentials_of("jobrunner")
    async with kit_service(guarded_nats.server.url, tmp_path, credentials=credentials) as service:
        await service.has_problem("streams", "KLEVER_MODELS is missing", within=SLOW)
        assert "permissions violation" not in service.log()
        await guarded_nats.provide()
        await service.is_ready(within=SLOW)
