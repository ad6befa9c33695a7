"""The token that the SDK sends, and the servers that get it."""

import os
from pathlib import Path

import pytest
from aiohttp import ClientSession

from klever import Klever, KleverClient
from klever.errors import InputError
from klever.platform.plan import Urls
from klever.platform.state import PlatformState, Running
from klever.servers import Gateway, find_gateway
from klever.transport import Transport

OURS = "http://127.0.0.1:41234"
TOKEN = "t" * 43


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a running platform."""
    for name in ("KLEVER_SERVER", "KLEVER_TOKEN", "KLEVER_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KLEVER_HOME", str(tmp_path))
    (tmp_path / "run").mkdir()
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    urls = Urls(api=OURS, registry="", ingress="", nats="")
    PlatformState(Running.from_pid(os.getpid()), urls, {}, ready=True).write(tmp_path / "run" / "platform.json")
    return tmp_path


@pytest.mark.parametrize("server", [None, OURS, f"{OURS}/", "http://localhost:41234"])
def test_the_token_of_the_home_is_sent_to_the_address_of_its_platform(server: str | None) -> None:
    assert find_gateway(server) == Gateway(OURS, TOKEN)


@pytest.mark.parametrize(
    "server",
    [
        "http://127.0.0.1:41235",
        "http://localhost",
        "http://[::1]:41234",
        "http://0.0.0.0:41234",
        "https://127.0.0.1:41234",
        "http://127.0.0.1.evil.example:41234",
        "http://127.0.0.1:41234@evil.example",
        "http://127.0.0.1:41234/below",
        "http://evil.example:41234",
    ],
)
def test_the_token_is_sent_to_no_other_address(server: str) -> None:
    assert find_gateway(server).token is None


def test_the_token_is_sent_nowhere_once_the_platform_has_stopped(home: Path) -> None:
    (home / "run" / "platform.json").unlink()
    assert find_gateway(OURS) == Gateway(OURS)


def test_no_token_is_sent_if_the_home_has_none(home: Path) -> None:
    (home / "token").unlink()
    assert find_gateway(None) == Gateway(OURS)


def test_a_given_token_goes_to_the_given_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLEVER_TOKEN", "of the environment")
    assert find_gateway("https://other.example", "given") == Gateway("https://other.example", "given")
    assert find_gateway(None, "given") == Gateway(OURS, "given")


def test_the_token_of_the_environment_is_for_the_server_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLEVER_TOKEN", "x" * 40)
    assert find_gateway("https://one.example").token == "x" * 40
    monkeypatch.setenv("KLEVER_SERVER", "https://one.example")
    assert find_gateway(None) == Gateway("https://one.example", "x" * 40)
    assert find_gateway("https://one.example/").token == "x" * 40
    assert find_gateway("https://two.example").token is None
    assert find_gateway(OURS) == Gateway(OURS, TOKEN)


def test_the_environment_may_name_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "remote-token"
    file.write_text("r" * 40 + "\n")
    monkeypatch.setenv("KLEVER_TOKEN_FILE", str(file))
    assert find_gateway("https://one.example").token == "r" * 40
    file.unlink()
    with pytest.raises(InputError, match=f"cannot read the token in {file}: No such file"):
        find_gateway("https://one.example")


@pytest.mark.parametrize("content", [b"", b"\n", b"a\r\nX-Other: b", b"\xff"])
def test_a_file_without_a_token_is_refused(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd").write_bytes(content)
    monkeypatch.setenv("KLEVER_TOKEN_FILE", str(tmp_path / "odd"))
    with pytest.raises(InputError, match=r"contains no token|cannot read the token"):
        find_gateway("https://one.example")


@pytest.mark.parametrize("server", ["http://", "http://:8080", "http://[::1", "http://host:port"])
def test_a_server_without_a_host_is_refused(server: str) -> None:
    with pytest.raises(InputError, match="is not the URL of a gateway"):
        find_gateway(server)


def test_no_representation_shows_the_token() -> None:
    assert TOKEN not in repr(find_gateway(None))
    for client in (Klever(token=TOKEN), KleverClient(token=TOKEN)):
        assert TOKEN not in repr(vars(client))
        assert client.server == OURS


@pytest.mark.parametrize(
    ("url", "is_sent"),
    [
        (f"{OURS}/api/v1alpha1/models", True),
        ("http://127.0.0.1:41235/seldon/default/iris/v2/models/iris/infer", False),
        ("http://127.0.0.1:41234@evil.example/", False),
        ("http://localhost:41234/", False),
        ("https://127.0.0.1:41234/", False),
        ("", False),
    ],
)
async def test_only_the_gateway_gets_the_token(url: str, *, is_sent: bool) -> None:
    async with ClientSession() as session:
        transport = Transport(session, Gateway(OURS, TOKEN))
        assert transport.login(url) == ({"Authorization": f"Bearer {TOKEN}"} if is_sent else {})
