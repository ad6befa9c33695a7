"""The password of a registry on this machine is sent only to its address while it runs."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiohttp.connector import AddrInfoType

from ormb.adapters.announcements import announced, announced_at
from ormb.adapters.connecting import Connecting, connected
from ormb.adapters.credentials import Credentials, store_credentials
from ormb.adapters.listeners import is_held_by, is_ours
from ormb.adapters.own_registries import OwnRegistries
from ormb.own_registry import OwnRegistry
from ormb.reference import Reference

PORT, PASSWORD = 5000, "p" * 43
HERE = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", PORT))
IPV6 = (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("::1", PORT, 0, 0))
TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 0 100 0 0 10 0
   1: 00000000:1389 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12 1 0 100 0 0 10 0
   2: 0100007F:138A 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 13 1 0 100 0 0 10 0
   3: 0100007F:138B 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 14 1 0 100 0 0 10 0
   4: 0100007F:138C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15 1 0 100 0 0 10 0
"""


def registry(tmp_path: Path, address: str = f"127.0.0.1:{PORT}") -> OwnRegistry:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    return OwnRegistry(address, file)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """The root below which a registry is announced."""
    with announced(tmp_path / "ormb", registry(tmp_path)):
        yield tmp_path / "ormb"


def registries(root: Path, own: OwnRegistry | None = None, *, listens: bool = True) -> OwnRegistries:
    return OwnRegistries(root, own, listens=lambda _port: listens)


def announcement(root: Path) -> Path:
    return root / "local" / f"{PORT}.json"


@pytest.mark.parametrize("host", ["localhost:5000", "127.0.0.1:5000"])
def test_an_announced_registry_is_logged_in_to(root: Path, host: str) -> None:
    warnings: list[str] = []
    assert registries(root).find(host, warnings.append) == Credentials("klever", PASSWORD)
    assert warnings == []


@pytest.mark.parametrize(
    "host",
    [
        "localhost:5001",
        "127.0.0.1:50000",
        "[::1]:5000",
        "127.0.0.2:5000",
        "localhost",
        "localhost.example.com:5000",
        "registry.example.com:5000",
        "localhost:\u0665\u0660\u0660\u0660",
    ],
)
def test_no_other_address_gets_its_password(root: Path, host: str) -> None:
    assert registries(root).find(host, pytest.fail) is None


def test_a_login_of_the_user_takes_precedence(root: Path) -> None:
    store_credentials(root, "localhost:5000", Credentials("ci", "s3cret"))
    assert registries(root).find("127.0.0.1:5000", pytest.fail) == Credentials("ci", "s3cret")


def test_a_service_prefers_its_own_password_for_its_own_registry_only(
    tmp_path: Path,
) -> None:
    root = tmp_path / "ormb"
    for host in ("localhost:5000", "a.example.com"):
        store_credentials(root, host, Credentials("ci", "s3cret"))
    own = registries(root, registry(tmp_path))
    assert own.find("127.0.0.1:5000", pytest.fail) == Credentials("klever", PASSWORD)
    assert own.find("a.example.com", pytest.fail) == Credentials("ci", "s3cret")
    elsewhere = registries(root, registry(tmp_path, "registry:5000"), listens=False)
    assert elsewhere.find("registry:5000", pytest.fail) == Credentials("klever", PASSWORD)


def test_the_password_is_read_from_the_current_file(root: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("newer")
    assert registries(root).find("localhost:5000", pytest.fail) == Credentials("klever", "newer")
    (tmp_path / "password").unlink()
    warnings: list[str] = []
    assert registries(root).find("localhost:5000", warnings.append) is None
    assert "cannot be read" in warnings[0]


def test_an_announcement_ends_with_its_writer(tmp_path: Path) -> None:
    root = tmp_path / "ormb"
    with announced(root, registry(tmp_path)):
        left = announcement(root).read_bytes()
        assert announced_at(root, "localhost:5000") is not None
    assert not announcement(root).exists()
    announcement(root).write_bytes(left)  # as left by a kill
    announcement(root).chmod(0o600)
    assert announced_at(root, "localhost:5000") is None
    with announced(root, registry(tmp_path)):
        assert announced_at(root, "localhost:5000") is not None


def test_an_announcement_of_somebody_else_is_not_removed(tmp_path: Path) -> None:
    root = tmp_path / "ormb"
    earlier = ExitStack()
    earlier.enter_context(announced(root, registry(tmp_path)))
    with announced(root, registry(tmp_path)):
        earlier.close()
        assert announced_at(root, "localhost:5000") is not None


def test_an_announcement_is_private_to_its_user_and_holds_no_secret(root: Path) -> None:
    assert announcement(root).stat().st_mode & 0o777 == 0o600
    assert announcement(root).parent.stat().st_mode & 0o777 == 0o700
    assert PASSWORD not in announcement(root).read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o660])
def test_an_announcement_that_others_can_write_is_ignored(root: Path, mode: int) -> None:
    announcement(root).chmod(mode)
    assert announced_at(root, "localhost:5000") is None


def test_a_link_instead_of_an_announcement_is_ignored(root: Path) -> None:
    moved = announcement(root).rename(root / "elsewhere")
    announcement(root).symlink_to(moved)
    assert announced_at(root, "localhost:5000") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"username": "klever"}', "[" * 100_000])
def test_a_broken_announcement_is_ignored(root: Path, text: str) -> None:
    announcement(root).write_text(text)
    assert announced_at(root, "localhost:5000") is None


@pytest.mark.parametrize(
    ("user", "port", "held"),
    [
        (1000, 5000, True),
        (1001, 5000, False),
        (1000, 5001, False),
        (1000, 5002, False),
        (1000, 5003, False),
        (1000, 5004, True),
        (0, 5000, False),
        (1000, 5005, False),
    ],
)
def test_only_a_server_of_this_user_on_the_exact_address_counts(user: int, port: int, *, held: bool) -> None:
    assert is_held_by(user, port, TABLE) is held


def test_a_server_counts_as_ours_without_an_owner_from_the_kernel(tmp_path: Path) -> None:
    assert is_ours(PORT, tmp_path / "not-mounted")
    (tmp_path / "tcp").write_text(TABLE.splitlines()[0])
    assert not is_ours(PORT, tmp_path / "tcp")


def test_no_connection_is_opened_to_a_server_of_another_user(root: Path) -> None:
    warnings: list[str] = []
    own = registries(root, listens=False)
    assert own.find("localhost:5000", warnings.append) is None
    assert "its password is not sent" in warnings[0]
    with pytest.raises(ConnectionRefusedError):
        own.socket_for(HERE)


def test_a_password_is_not_sent_again_to_a_successor_of_the_registry(tmp_path: Path) -> None:
    listens = True
    own = OwnRegistries(tmp_path / "ormb", listens=lambda _port: listens)
    with announced(tmp_path / "ormb", registry(tmp_path)):
        own.socket_for(HERE).close()
    listens = False
    with pytest.raises(ConnectionRefusedError):
        own.socket_for(HERE)


@pytest.mark.parametrize("earlier", [HERE, IPV6])
def test_connections_from_before_the_registry_do_not_get_its_password(tmp_path: Path, earlier: AddrInfoType) -> None:
    own = registries(tmp_path / "ormb")
    own.socket_for(earlier).close()
    warnings: list[str] = []
    with announced(tmp_path / "ormb", registry(tmp_path)):
        assert own.find("localhost:5000", warnings.append) is None
    assert "its password is not sent" in warnings[0]


@pytest.mark.parametrize(
    ("plain_http", "host", "scheme"),
    [
        (True, "registry.klever.svc:5000", "http"),
        (True, "registry.klever.svc:5001", "https"),
        (True, "registry.example.com", "https"),
        (True, "127.0.0.1:5000", "http"),
        (False, "registry.klever.svc:5000", "https"),
    ],
)
async def test_only_the_platforms_own_registry_is_reached_by_http_on_another_machine(
    tmp_path: Path, *, plain_http: bool, host: str, scheme: str
) -> None:
    own = OwnRegistry.of("registry.klever.svc:5000", tmp_path / "password", plain_http=plain_http)
    async with connected(tmp_path, Connecting(own=own)) as client:
        assert client.api.root(Reference.parse(f"{host}/library/iris:v1")).scheme == scheme
