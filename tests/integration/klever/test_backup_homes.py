"""Homes of platforms that do not run are saved and restored, completely or not at all."""

import json
from pathlib import Path

import pytest

from klever.backup.creation import Source, create
from klever.backup.errors import BackupError
from klever.backup.restoration import restore_into_home
from klever.backup.servers import temporary_client
from klever.backup.verification import verified
from klever.cli.startup import find_nats_server
from klever.errors import PlatformError
from klever.platform.home import Home
from klever.platform.supervisor import locked
from kleverkit.nats_calls import ClientSource
from kleverkit.topology import Topology
from kleverproto.streams import CONSUMERS, LOGS
from plugins.fix_disks import SmallDisk
from support.backup_files import INDEX, WEIGHTS, BackupFile, whole
from support.stopped_platform import DataDirectory, messages_in_home, stopped_platform

MIB = 1024 * 1024
RELEASES = sorted((Path(__file__).parents[2] / "data" / "releases").iterdir())


@pytest.fixture
async def home(tmp_path: Path) -> Home:
    return await stopped_platform(tmp_path / "home")


async def save(home: Home, path: Path) -> None:
    await create(Source(home, home.of("registry"), home.accounts), path, find_nats_server())


async def restore(path: Path, home: Path) -> None:
    with verified(path) as backup:
        await restore_into_home(backup, Home(home), find_nats_server())


def tree(directory: Path) -> dict[str, bytes]:
    """The files below a directory."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_a_stopped_platform_is_saved_and_restored(home: Home, tmp_path: Path) -> None:
    await save(home, tmp_path / "backup")
    await restore(tmp_path / "backup", tmp_path / "restored")
    restored = Home(tmp_path / "restored")
    assert await messages_in_home(restored) == await messages_in_home(home)
    for name in ("credentials", "secrets"):
        assert tree(restored.path / name) == tree(home.path / name)
    assert restored.token.read_text() == home.token.read_text()
    models = DataDirectory(restored.of("registry"))
    assert (models.layout("library/iris") / "index.json").read_bytes() == INDEX
    assert models.blob(WEIGHTS[0]).read_bytes() == WEIGHTS[1]
    assert not (models.root / "repositories" / "library" / "iris" / "_uploads").exists()
    assert restored.path.stat().st_mode & 0o777 == 0o700
    assert names(tmp_path) == ["backup", "home", "restored"]


async def test_an_empty_directory_can_become_a_home(home: Home, tmp_path: Path) -> None:
    await save(home, tmp_path / "backup")
    make_directory(tmp_path / "restored")
    await restore(tmp_path / "backup", tmp_path / "restored")
    assert Home(tmp_path / "restored").token.read_text() == home.token.read_text()


def make_directory(path: Path) -> None:
    path.mkdir()


async def test_a_home_that_is_not_empty_is_not_changed(home: Home, tmp_path: Path) -> None:
    await save(home, tmp_path / "backup")
    before = tree(home.path)
    with pytest.raises(BackupError, match="is not empty: set KLEVER_HOME"):
        await restore(tmp_path / "backup", home.path)
    assert tree(home.path) == before


@pytest.mark.parametrize("setting", ["KLEVER_REGISTRY_DATA_DIR", "KLEVER_REGISTRY_ACCOUNTS"])
async def test_files_that_the_platform_would_not_use_are_not_restored(
    setting: str, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await save(home, tmp_path / "backup")
    monkeypatch.setenv(setting, str(tmp_path / "elsewhere"))
    with pytest.raises(BackupError, match=f"{setting} names .*elsewhere"):
        await restore(tmp_path / "backup", tmp_path / "restored")
    assert names(tmp_path) == ["backup", "home"]


async def test_a_home_behind_a_link_is_not_changed(home: Home, tmp_path: Path) -> None:
    await save(home, tmp_path / "backup")
    make_directory(tmp_path / "elsewhere")
    link(tmp_path / "link", tmp_path / "elsewhere")
    with pytest.raises(BackupError, match="is not empty"):
        await restore(tmp_path / "backup", tmp_path / "link")


def link(path: Path, target: Path) -> None:
    path.symlink_to(target)


async def test_a_hostile_snapshot_leaves_no_home(tmp_path: Path) -> None:
    path = BackupFile.of(whole()).write(tmp_path / "backup")  # its snapshots are no archives
    with pytest.raises(BackupError, match="NATS refuses the snapshot of KV_klever-"):
        await restore(path, tmp_path / "restored")
    assert names(tmp_path) == ["backup"]


async def test_a_disk_that_is_too_small_is_reported_at_once(tmp_path: Path, small_disk: SmallDisk) -> None:
    await save(await stopped_platform(tmp_path / "home", log_bytes=MIB), tmp_path / "backup")
    disk = small_disk(MIB // 2)
    with pytest.raises(BackupError, match="free some space"):
        await restore(tmp_path / "backup", disk / "restored")
    assert names(disk) == []


async def test_a_disk_that_fills_up_leaves_no_home(tmp_path: Path, small_disk: SmallDisk) -> None:
    home = await stopped_platform(tmp_path / "home", log_bytes=4 * MIB)
    await save(home, tmp_path / "backup")
    disk = small_disk(5 * MIB)
    with pytest.raises(BackupError, match=LOGS.name):
        await restore(tmp_path / "backup", disk / "restored")
    assert names(disk) == []


async def test_a_full_disk_leaves_no_backup(tmp_path: Path, small_disk: SmallDisk) -> None:
    home = await stopped_platform(tmp_path / "home", log_bytes=MIB)
    disk = small_disk(MIB // 2)
    with pytest.raises(BackupError, match=r"klever\.backup cannot be written: the disk is full"):
        await save(home, disk / "klever.backup")
    assert names(disk) == []


async def test_a_platform_that_is_starting_is_not_disturbed(home: Home, tmp_path: Path) -> None:
    with locked(home), pytest.raises(PlatformError, match="already running"):
        await save(home, tmp_path / "backup")
    assert names(tmp_path) == ["home"]


async def test_a_directory_that_is_no_home_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="is not the home of a platform"):
        await save(Home(tmp_path / "nothing"), tmp_path / "backup")
    assert names(tmp_path) == []


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
async def test_backups_of_earlier_releases_are_restored_with_the_streams_of_this_one(
    release: Path, tmp_path: Path
) -> None:
    await restore(release / "klever.backup", tmp_path / "restored")
    restored = Home(tmp_path / "restored")
    messages = await messages_in_home(restored)
    documents = json.loads((release / "documents.json").read_bytes())
    for bucket, expected in documents.items():
        stored = [
            json.loads(each.data) for each in messages[f"KV_{bucket}"] if ("KV-Operation", "DEL") not in each.headers
        ]
        assert stored == expected
    async with temporary_client(restored, find_nats_server()) as client:
        source = ClientSource()
        source.set(client)
        topology = Topology(source)
        topology.need(CONSUMERS)
        await topology.reconcile()
        assert await topology.streams_problem() is None
        assert await topology.consumers_problem() is None
