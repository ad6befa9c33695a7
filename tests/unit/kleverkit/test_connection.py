"""Reports of the NATS client become a sentence, a delay or a count."""

from pathlib import Path

import nats.errors
import pytest
from prometheus_client import CollectorRegistry

from kleverkit.connection import REFUSED_SECONDS, Connection
from kleverkit.credentials import CredentialsError
from kleverkit.nats_calls import ClientSource

FILE = Path("/h/registry.nk")


class Pauses:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


def connection(
    pauses: Pauses, *, credentials: Path | None = FILE, metrics: CollectorRegistry | None = None
) -> Connection:
    return Connection(ClientSource(), credentials, metrics or CollectorRegistry(), sleep=pauses)


@pytest.mark.parametrize(
    "error", [OSError("connection refused"), TimeoutError(), nats.errors.Error("nats: 'Authentication Timeout'")]
)
async def test_an_unreachable_server_is_retried_at_once(pauses: Pauses, error: Exception) -> None:
    tried = connection(pauses)
    await tried.on_error(error)
    assert pauses.seconds == []
    assert str(await tried.check()).startswith("NATS cannot be reached: ")


@pytest.mark.parametrize(
    "error",
    [
        nats.errors.Error("nats: 'Authorization Violation'"),
        nats.errors.AuthorizationError(),
        nats.errors.Error("nats: 'User Authentication Revoked'"),
    ],
)
async def test_a_server_that_refuses_is_retried_after_a_delay(pauses: Pauses, error: Exception) -> None:
    tried = connection(pauses)
    await tried.on_error(error)
    assert pauses.seconds == [REFUSED_SECONDS]
    assert "NATS refuses the credentials in /h/registry.nk" in str(await tried.check())


async def test_missing_credentials_are_reported_with_the_setting(pauses: Pauses) -> None:
    tried = connection(pauses, credentials=None)
    await tried.on_error(nats.errors.Error("nats: 'Authorization Violation'"))
    assert pauses.seconds == [REFUSED_SECONDS]
    assert "set KLEVER_<SERVICE>_NATS_CREDENTIALS" in str(await tried.check())


async def test_unreadable_credentials_are_reported(pauses: Pauses) -> None:
    tried = connection(pauses)
    await tried.on_error(CredentialsError("the NATS credentials in /h/registry.nk cannot be read"))
    assert pauses.seconds == [REFUSED_SECONDS]
    assert await tried.check() == "the NATS credentials in /h/registry.nk cannot be read"


async def test_a_refused_request_is_counted_and_keeps_the_connection(pauses: Pauses) -> None:
    metrics = CollectorRegistry()
    tried = connection(pauses, metrics=metrics)
    before = await tried.check()
    await tried.on_error(nats.errors.Error('nats: permissions violation for publish to "klever.other"'))
    assert metrics.get_sample_value("klever_nats_permission_violations_total") == 1
    assert (pauses.seconds, await tried.check()) == ([], before)
