"""Envoy's admin interface can stop Envoy: only its owner can reach it."""

import json
import stat
from pathlib import Path

import psutil
import pytest

from klever_deployer.adapters.local.admin_socket import LONGEST_PATH, admin_socket
from klever_deployer.adapters.local.envoy_admin import EnvoyAdmin
from support.data_planes import behind_envoy
from support.processes import free_port


@pytest.mark.parametrize("deep", [False, True])
async def test_envoy_listens_only_on_the_ingress_port_and_its_socket_is_private(tmp_path: Path, *, deep: bool) -> None:
    directory = tmp_path / ("d" * LONGEST_PATH if deep else "d")
    port = free_port()
    async with behind_envoy(directory, port):
        process = psutil.Process(json.loads((directory / "envoy.json").read_text())["pid"])
        ports = {each.laddr.port for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
        socket = Path((directory / "admin-address").read_text().strip())
        assert await EnvoyAdmin(directory / "admin-address").is_live()
    assert ports == {port}
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


def test_a_directory_that_others_could_enter_is_made_private(tmp_path: Path) -> None:
    (tmp_path / "admin").mkdir(mode=0o777)
    assert stat.S_IMODE(admin_socket(tmp_path).parent.stat().st_mode) == 0o700
