"""A backup gets its name when it is complete, and only its owner can read it."""

import errno
import hashlib
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from klever.backup.creation import Source
from klever.backup.errors import BackupError
from klever.backup.home_files import restore_home, save_home
from klever.backup.models import restore_models, save_models
from klever.backup.verification import verified
from klever.backup.writing import Archive, new_archive
from klever.platform.home import Home
from support.backup_files import (
    CONFIG,
    INDEX,
    INDEX_NAME,
    MANIFEST,
    WEIGHTS,
    BackupFile,
    blob,
    blob_name,
    contents,
    whole,
)
from support.stopped_platform import DataDirectory

ONE, TWO = "home/token", "home/secrets/default/two"


class Interrupted(BaseException):
    """As KeyboardInterrupt, which pytest would handle."""


def test_digests_of_all_members_are_at_the_end(tmp_path: Path) -> None:
    with new_archive(tmp_path / "backup") as archive:
        archive.add(ONE, b"1")
        archive.add_file(TWO, BytesIO(b"22 and more"), 2)
    assert list(contents(tmp_path / "backup")) == [ONE, TWO, "digests.json"]
    assert json.loads(contents(tmp_path / "backup")["digests.json"]) == {
        ONE: {"size": 1, "sha256": hashlib.sha256(b"1").hexdigest()},
        TWO: {"size": 2, "sha256": hashlib.sha256(b"22").hexdigest()},
    }


def test_only_the_owner_can_read_a_backup(tmp_path: Path) -> None:
    with new_archive(tmp_path / "backup") as archive:
        [partial] = tmp_path.iterdir()
        assert partial.stat().st_mode & 0o777 == 0o600
        assert partial.name != "backup"
        archive.add(ONE, b"1")
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600


def write(path: Path, error: BaseException) -> None:
    with new_archive(path) as archive:
        archive.add(ONE, b"1")
        raise error


@pytest.mark.parametrize("error", [Interrupted(), BackupError("NATS does not answer")])
def test_an_interrupted_backup_leaves_no_file(error: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(error)):
        write(tmp_path / "backup", error)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported_and_leaves_no_file(tmp_path: Path) -> None:
    with (
        pytest.raises(BackupError, match="backup cannot be written: the disk is full"),
        new_archive(tmp_path / "backup"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "backup").write_text("precious")
    with pytest.raises(BackupError, match="choose another name"), new_archive(tmp_path / "backup"):
        pytest.fail("it was opened")
    assert (tmp_path / "backup").read_text() == "precious"


def test_a_file_that_becomes_shorter_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="became shorter"), new_archive(tmp_path / "backup") as archive:
        archive.add_file(blob_name(WEIGHTS[0]), BytesIO(b"12"), 3)


@pytest.mark.parametrize(
    ("name", "size", "reason"),
    [("nats/consumers.json", 2**20 + 1, "the maximum is 1048576"), ("home/../x", 1, "not a part of a backup")],
)
def test_a_member_that_cannot_be_restored_is_not_saved(name: str, size: int, reason: str, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=reason), new_archive(tmp_path / "backup") as archive:
        archive.add(name, bytes(size))
    assert list(tmp_path.iterdir()) == []


class Unreadable(BytesIO):
    def read(self, _size: int | None = -1, /) -> bytes:
        raise OSError(errno.EIO, "Input/output error")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(BackupError, match=r"registry/blobs/sha256/.* cannot be read: Input/output"),
        new_archive(tmp_path / "b") as archive,
    ):
        archive.add_file(blob_name(WEIGHTS[0]), Unreadable(), 3)


@pytest.fixture
def pool(tmp_path: Path) -> DataDirectory:
    """A registry with one model in two repositories."""
    pool = DataDirectory(tmp_path / "registry")
    for name in ("library/iris", "research/copies/iris"):
        pool.write(name)
    return pool


def save(pool: DataDirectory, path: Path) -> Path:
    with new_archive(path) as archive:
        save_models(pool.root, archive)
    return path


def test_each_blob_is_saved_once_and_uploads_are_not(pool: DataDirectory, tmp_path: Path) -> None:
    pool.blob(f"sha256:{'0' * 64}").write_bytes(b"garbage that will be collected")
    assert sorted(contents(save(pool, tmp_path / "backup"))) == sorted(
        [
            *(f"registry/blobs/{digest.replace(':', '/')}" for digest, _ in (CONFIG, WEIGHTS, MANIFEST)),
            *(
                f"registry/repositories/{name}/{file}.json"
                for name in ("library/iris", "research/copies/iris")
                for file in ("index", "blobs")
            ),
            "digests.json",
        ]
    )


def test_repositories_are_restored_with_shared_blobs(pool: DataDirectory, tmp_path: Path) -> None:
    saved = contents(save(pool, tmp_path / "models"))
    members = {name: content for name, content in whole().items() if not name.startswith("registry/")}
    members |= {name: content for name, content in saved.items() if name.startswith("registry/")}
    with verified(BackupFile.of(members).write(tmp_path / "backup")) as backup:
        restore_models(backup, tmp_path / "restored")
    restored = DataDirectory(tmp_path / "restored")
    for name in ("library/iris", "research/copies/iris"):
        assert (restored.layout(name) / "index.json").read_bytes() == INDEX
        assert (restored.layout(name) / "_indexed").exists()
        for digest, content in (CONFIG, WEIGHTS, MANIFEST):
            assert restored.blob(digest, name).read_bytes() == content
            assert restored.blob(digest, name).samefile(tmp_path / "restored" / "pool" / digest.replace(":", "/"))


FAULTS: dict[str, tuple[Callable[[DataDirectory], object], str]] = {
    "a missing blob": (lambda pool: pool.blob(WEIGHTS[0]).unlink(), "library/iris refers to sha256:.*which is missing"),
    "a missing manifest": (lambda pool: pool.blob(MANIFEST[0]).unlink(), "refers to sha256:.*which is missing"),
    "a damaged blob": (lambda pool: pool.blob(WEIGHTS[0]).write_bytes(b"weightz"), "is damaged: push its model again"),
    "a lost index": (
        lambda pool: (pool.layout("library/iris") / "index.json").unlink(),
        "index of library/iris cannot",
    ),
    "a damaged index": (lambda pool: (pool.layout("library/iris") / "index.json").write_text("{"), "cannot be read"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_registry_is_reported(fault: str, pool: DataDirectory, tmp_path: Path) -> None:
    damage, reason = FAULTS[fault]
    damage(pool)
    with pytest.raises(BackupError, match=reason):
        save(pool, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


class Deleting(Archive):
    """Deletes a model when its first blob is read."""

    def __init__(self, pool: DataDirectory) -> None:
        super().__init__(BytesIO())
        self._pool = pool

    def add_file(self, name: str, file: object, size: int) -> None:
        for digest in (WEIGHTS[0], CONFIG[0], MANIFEST[0]):
            self._pool.blob(digest).unlink(missing_ok=True)
        (self._pool.layout("library/iris") / "index.json").write_bytes(b'{"manifests": []}')
        super().add_file(name, file, size)  # type: ignore[arg-type] # of the caller


def test_a_model_that_is_deleted_meanwhile_is_not_missed(pool: DataDirectory) -> None:
    archive = Deleting(pool)
    save_models(pool.root, archive)
    assert archive.has(INDEX_NAME)
    assert archive.digest(INDEX_NAME) == hashlib.sha256(b'{"manifests": []}').hexdigest()


def test_blobs_that_no_repository_refers_to_are_not_restored(tmp_path: Path) -> None:
    digest, content = blob(b"of a version that was deleted while the backup was created")
    path = BackupFile.of(whole() | {blob_name(digest): content}).write(tmp_path / "backup")
    with verified(path) as backup:
        assert digest in backup.blobs()
        restore_models(backup, tmp_path / "restored")
    assert {each.name for each in (tmp_path / "restored" / "pool" / "sha256").iterdir()} == {
        digest.partition(":")[2] for digest, _ in (CONFIG, WEIGHTS, MANIFEST)
    }


HOME_FILES = {
    "token": b"token\n",
    "credentials/registry-password": b"password\n",
    "credentials/nats/operator.nk": b"seed\n",
    "credentials/nats/externals.json": b"[]",
    "secrets/default/hf-token": b"value",
    "deployer/servings/default.iris.json": b"{}",
    "registry/catalogue/library.iris.v1.json": b"{}",
    f"registry/catalogue/{'a' * 190}.json": b"{}",
    "registry/projects/library.json": b"{}",
}
DERIVED = (
    "logs/up.log",
    "run/lock",
    "deployer/remembered/servings.json",
    "registry/buckets/klever-models.json",
    "gateway/projection.sqlite",
    "deployer/envoy/rds.json",
    "credentials/nats/nats-server.conf",
)


def test_a_home_is_restored_for_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name, content in (HOME_FILES | dict.fromkeys(DERIVED, b"derived")).items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(content)
    (home / "secrets" / "default" / "link").symlink_to("/etc/passwd")
    accounts = tmp_path / "elsewhere.yaml"
    accounts.write_bytes(b"accounts: []\n")
    members = {name: content for name, content in whole().items() if not name.startswith("home/")}
    with new_archive(tmp_path / "files") as archive:
        save_home(home, archive, registry=home / "registry", accounts=accounts)
    saved = contents(tmp_path / "files")
    members |= {name: content for name, content in saved.items() if name.startswith("home/")}
    with verified(BackupFile.of(members).write(tmp_path / "backup")) as backup:
        restore_home(backup, tmp_path / "restored")
    files = [path for path in (tmp_path / "restored").rglob("*") if path.is_file()]
    restored = {str(path.relative_to(tmp_path / "restored")): path.read_bytes() for path in files}
    assert restored == HOME_FILES | {"accounts.yaml": b"accounts: []\n"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_the_directories_are_those_of_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    assert Source.of(home) == Source(home, tmp_path / "registry", tmp_path / "accounts.yaml")
    monkeypatch.setenv("KLEVER_REGISTRY_DATA_DIR", "/data/registry")
    monkeypatch.setenv("KLEVER_REGISTRY_ACCOUNTS", "/etc/accounts.yaml")
    assert Source.of(home) == Source(home, Path("/data/registry"), Path("/etc/accounts.yaml"))
