"""Files with secrets that a platform creates."""

import stat
from pathlib import Path

import pytest

from klever.errors import PlatformError
from klever.platform.home import Home
from klever.platform.own_secrets import provide_secret
from klever.platform.plan import Ports, parts


def test_a_token_is_created_for_its_owner_only_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "token"
    provide_secret(path)
    token = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(token.strip()) == 43  # 256 bits
    provide_secret(path)
    assert path.read_text() == token
    assert [each.name for each in tmp_path.iterdir()] == ["token"]


def test_a_directory_created_for_a_token_is_private_to_its_owner(tmp_path: Path) -> None:
    provide_secret(Home(tmp_path).registry_password)
    assert stat.S_IMODE(Home(tmp_path).registry_password.parent.stat().st_mode) == 0o700


def test_every_platform_has_another_token(tmp_path: Path) -> None:
    for name in ("one", "two"):
        provide_secret(tmp_path / name)
    assert (tmp_path / "one").read_text() != (tmp_path / "two").read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o644])
def test_a_token_that_others_can_read_is_refused_with_advice(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "token"
    provide_secret(path)
    path.chmod(mode)
    with pytest.raises(PlatformError, match=f"{path} is not a file that only you can read.*remove it"):
        provide_secret(path)


def test_a_link_or_a_directory_instead_of_a_token_is_refused(tmp_path: Path) -> None:
    provide_secret(tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "directory").mkdir(mode=0o700)
    for name in ("link", "directory"):
        with pytest.raises(PlatformError):
            provide_secret(tmp_path / name)


def test_every_service_gets_the_file_of_the_home() -> None:
    processes = parts(Home(Path("/h")), Ports(1, 2, 3, 4, 5, 6), "/bin/nats-server")
    files = {
        part.environment.get(f"KLEVER_{part.name.upper()}_TOKEN_FILE") for part in processes if part.name != "nats"
    }
    assert files == {"/h/token"}
