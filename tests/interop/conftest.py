"""The tools, built once; tests are skipped if Go is not installed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ormb.client import OrmbClient
from support.go_tools import go_tool
from support.other_tools import OtherTool


@pytest.fixture(scope="session")
def kit_program() -> Path:
    return go_tool("github.com/kitops-ml/kitops", "kit", name="kit")


@pytest.fixture
def kit(kit_program: Path, tmp_path: Path) -> OtherTool:
    return OtherTool(kit_program, environment={"KITOPS_HOME": str(tmp_path / "kit-home")})


@pytest.fixture(scope="session")
def modctl_program() -> Path:
    return go_tool("github.com/modelpack/modctl", "modctl")


@pytest.fixture
def modctl(modctl_program: Path, tmp_path: Path) -> OtherTool:
    home = tmp_path / "modctl-home"
    options = ("--storage-dir", str(home), "--log-dir", str(home / "logs"), "--no-progress")
    return OtherTool(modctl_program, options, environment={"DOCKER_CONFIG": str(home / "docker")})


@pytest.fixture(scope="session")
def go_ormb_program() -> Path:
    return go_tool("github.com/kleveross/ormb/cmd/ormb", "ormb", name="go-ormb")


@pytest.fixture
def go_ormb(go_ormb_program: Path, tmp_path: Path) -> OtherTool:
    """The Go `ormb`, which shares its root directory with ours."""
    return OtherTool(go_ormb_program, environment={"ORMB_ROOTPATH": str(tmp_path / "ormb")})


@pytest.fixture(scope="session")
def cosign_program() -> Path:
    return go_tool("github.com/sigstore/cosign/v3/cmd/cosign", "cosign")


@pytest.fixture
def cosign(cosign_program: Path, tmp_path: Path) -> OtherTool:
    return OtherTool(cosign_program, environment={"COSIGN_PASSWORD": "x", "HOME": str(tmp_path)})


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[OrmbClient]:
    async with OrmbClient(tmp_path / "ormb") as opened:
        yield opened
