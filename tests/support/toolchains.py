"""Toolchains for tests, kept in KLEVER_TOOLCHAINS between runs."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from kleverkit.directories import toolchains_directory
from modelconversion.errors import ConversionError
from modelconversion.toolchains.store import ToolchainStore


def toolchain_store() -> ToolchainStore:
    """The toolchains of this machine."""
    return ToolchainStore(toolchains_directory())


def toolchain_python(store: ToolchainStore, toolchain: str) -> Path:
    """The Python of a toolchain, which is installed if it is missing; skips the test if that fails."""
    try:
        return asyncio.run(store.ensure(toolchain, print))
    except ConversionError as error:
        pytest.skip(f"toolchain {toolchain} cannot be made here: {error}")


def make_models(python: Path, maker: Path, directory: Path) -> Path:
    """Run a program that makes models in a toolchain."""
    done = subprocess.run(
        [python, maker, directory],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return directory
