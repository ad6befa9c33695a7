"""Real conversions of models that frameworks create in their toolchains, kept in KLEVER_TOOLCHAINS between runs."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from modelconversion.toolchains.store import ToolchainStore
from support.toolchains import make_models, toolchain_python, toolchain_store
from toolchains import measured

MAKERS = Path(__file__).with_name("makers")


@pytest.fixture(scope="session")
def toolchains() -> ToolchainStore:
    return toolchain_store()


@pytest.fixture(scope="session")
def models(toolchains: ToolchainStore, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The directory of the models that a program creates in a toolchain, once per test run."""

    @cache
    def make(toolchain: str, maker: str) -> Path:
        python = toolchain_python(toolchains, toolchain)
        return make_models(python, MAKERS / f"{maker}.py", tmp_path_factory.mktemp(maker))

    return make


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Store the measurements of a complete run on request."""
    if session.config.getoption("--update-golden") and session.testsfailed == 0:
        measured.write()
