"""The whole platform for a test that kills parts of it."""

from collections.abc import AsyncIterator

import pytest

from support.whole_platform import Platform, running_platform


@pytest.fixture
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    """A platform for this test only."""
    async with running_platform(tmp_path_factory.mktemp("home")) as running:
        yield running
