"""Real models of the frameworks, served by the model server inside the toolchain of the format."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from klever_deployer.adapters.local.launcher import server_packages, server_path
from modelconversion.toolchains.store import ToolchainStore
from support.toolchains import make_models, toolchain_python, toolchain_store

MAKERS = Path(__file__).with_name("makers")


@pytest.fixture(scope="session")
def toolchains() -> ToolchainStore:
    return toolchain_store()


@pytest.fixture(scope="session")
def python(toolchains: ToolchainStore) -> Callable[[str], Path]:
    """The Python of a toolchain."""
    return cache(lambda toolchain: toolchain_python(toolchains, toolchain))


@pytest.fixture(scope="session")
def models(python: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The directory of the models that a program creates in a toolchain, once per test run."""
    return cache(
        lambda toolchain, maker: make_models(python(toolchain), MAKERS / f"{maker}.py", tmp_path_factory.mktemp(maker))
    )


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with only the packages of the model server, for PYTHONPATH."""
    return server_path(tmp_path_factory.mktemp("package"), server_packages())
