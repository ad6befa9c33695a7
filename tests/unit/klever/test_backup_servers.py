"""The servers of a platform elsewhere, as they are named on the command line."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from yarl import URL

from klever.backup.errors import BackupError
from klever.backup.transfer import Servers, create_from_servers
from klever.cli.__main__ import cli
from support.processes import free_port


def servers(registry: str) -> Servers:
    return Servers(f"nats://127.0.0.1:{free_port()}", None, URL(registry))


@pytest.mark.parametrize(
    ("url", "host", "names"),
    [
        ("https://registry.example.com", "registry.example.com", {"registry.example.com", "registry.example.com:443"}),
        ("https://example.com:443/", "example.com:443", {"example.com", "example.com:443"}),
        ("http://registry.local", "registry.local", {"registry.local", "registry.local:80"}),
        ("http://127.0.0.1:5000", "127.0.0.1:5000", {"127.0.0.1:5000"}),
        ("http://[::1]:5000", "[::1]:5000", {"[::1]:5000"}),
    ],
)
def test_documents_name_a_registry_with_or_without_its_default_port(url: str, host: str, names: set[str]) -> None:
    assert servers(url).registry_host == host
    assert servers(url).registry_names == names


@pytest.mark.parametrize(
    "url",
    ["registry.example.com", "ftp://registry.example.com", "https://", "https://example.com/path", "https://a:b@c"],
)
async def test_another_url_is_refused_before_anything_is_read(url: str, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="is not the URL of a registry") as raised:
        await create_from_servers(servers(url), tmp_path / "backup")
    assert "a:b" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://[::1", "https://example.com:99999", "https://example.com:port"])
def test_text_that_is_not_a_url_is_a_usage_error(url: str, tmp_path: Path) -> None:
    arguments = ["backup", "create", str(tmp_path / "backup"), "--nats", "nats://127.0.0.1:1", "--registry", url]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert f"{url!r} is not a URL" in result.stderr
