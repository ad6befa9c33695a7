"""Conversions for real: models that frameworks make in their toolchains, kept in KLEVER_TOOLCHAINS between runs."""

import asyncio
import os
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from modelformats.converting.errors import ConversionError
from modelformats.converting.toolchains import ToolchainStore
from toolchains import measured

MAKERS = Path(__file__).with_name("makers")


@pytest.fixture(scope="session")
def toolchains() -> ToolchainStore:
    root = os.environ.get("KLEVER_TOOLCHAINS", "~/.cache/klever/toolchains")
    return ToolchainStore(Path(root).expanduser())


@pytest.fixture(scope="session")
def models(toolchains: ToolchainStore, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The directory of the models that a maker makes in a toolchain, once in a run of the tests."""

    @cache
    def make(toolchain: str, maker: str) -> Path:
        try:
            python = asyncio.run(toolchains.ensure(toolchain, print))
        except ConversionError as error:
            pytest.skip(f"toolchain {toolchain} cannot be made here: {error}")
        directory = tmp_path_factory.mktemp(maker)
        done = subprocess.run(
            [python, MAKERS / f"{maker}.py", directory],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""},
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return directory

    return make


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep what was measured, when a whole run is asked to."""
    if session.config.getoption("--update-golden") and session.testsfailed == 0:
        measured.write()
