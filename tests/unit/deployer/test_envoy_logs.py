"""Envoy's logs, with an admin interface that does not always answer."""

from pathlib import Path

import pytest

from klever_deployer.adapters.local.envoy_admin import EnvoyAdmin
from klever_deployer.adapters.local.envoy_logs import EnvoyLogs
from klever_deployer.errors import DataPlaneError


class FakeEnvoy(EnvoyAdmin):
    """Writes to its open file, even if that is moved, until it is asked to reopen it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "admin-address")
        self._path = directory / "access.log"
        self._file = self._path.open("a")
        self.answers = True

    def log(self, text: str) -> None:
        self._file.write(text)
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    async def reopen_logs(self) -> None:
        if not self.answers:
            raise DataPlaneError("Envoy's admin interface does not answer")
        self._file.close()
        self._file = self._path.open("a")


async def test_the_access_log_is_rotated_after_a_failed_reopening(tmp_path: Path) -> None:
    envoy = FakeEnvoy(tmp_path)
    logs = EnvoyLogs(tmp_path / "access.log", tmp_path / "envoy.log", envoy, largest=10)
    envoy.log("more than ten bytes\n")
    envoy.answers = False
    for _ in range(2):
        with pytest.raises(DataPlaneError):
            await logs.rotate()
    envoy.answers = True
    await logs.rotate()
    envoy.log("next\n")
    assert (tmp_path / "access.log").read_text() == "next\n"
    assert (tmp_path / "access.log.1").read_text() == "more than ten bytes\n"
    envoy.close()


async def test_the_log_of_envoy_itself_is_bounded_too(tmp_path: Path) -> None:
    envoy = FakeEnvoy(tmp_path)
    own = tmp_path / "envoy.log"
    own.write_text("more than ten bytes\n")
    await EnvoyLogs(tmp_path / "access.log", own, envoy, largest=10).rotate()
    assert own.read_text() == ""
    assert (tmp_path / "envoy.log.1").read_text() == "more than ten bytes\n"
    envoy.close()
