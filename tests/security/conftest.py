"""What the tests of this suite share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.guarded_nats import GuardedNats


@pytest.fixture
async def guarded_nats(tmp_path: Path) -> AsyncIterator[GuardedNats]:
    """A nats-server that requires credentials, with everything on it that the platform needs."""
    guarded = GuardedNats(tmp_path)
    guarded.server.start()
    try:
        await guarded.provide()
        yield guarded
    finally:
        guarded.server.stop()
