"""Only the user that runs a platform can read its files."""

from pathlib import Path

import psutil
import pytest

from support.whole_platform import Platform, running_platform

OTHERS = 0o077


def open_to_others(directory: Path) -> list[Path]:
    """The paths that other users of the machine could read or write; sockets and links do not count."""
    return [
        path
        for path in (directory, *directory.rglob("*"))
        if (path.is_dir() or path.is_file()) and not path.is_symlink() and path.stat().st_mode & OTHERS
    ]


@pytest.fixture
def readable_home(tmp_path: Path) -> Path:
    """A home that was created by hand, with default permissions."""
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    return home


async def test_no_other_user_can_read_files_of_a_platform(readable_home: Path) -> None:
    async with running_platform(readable_home) as platform:
        (readable_home / "up.log").unlink()  # created by the test itself
        assert [str(path) for path in open_to_others(readable_home)] == []
        assert listening(platform, "nats") == [("127.0.0.1", int(platform.urls["nats"].rpartition(":")[2]))]


def listening(platform: Platform, part: str) -> list[tuple[str, int]]:
    """The ports on which a part accepts connections."""
    connections = psutil.Process(platform.pid(part)).net_connections("inet")
    return [(each.laddr.ip, each.laddr.port) for each in connections if each.status == psutil.CONN_LISTEN]
