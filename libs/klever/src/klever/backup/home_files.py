"""The files of a home that a backup contains: secrets, accounts, and copies of documents."""

from collections.abc import Iterator
from pathlib import Path

from kleverkit.durable import replace_file

from .errors import BackupError
from .members import HOME, is_home_file
from .reading import Backup
from .writing import Archive

ACCOUNTS = "accounts.yaml"
DIRECTORIES = ("credentials", "secrets", "deployer/servings")
REGISTRY_DIRECTORIES = ("catalogue", "projects")
PRIVATE_DIRECTORY = 0o700


def save_home(home: Path, archive: Archive, *, registry: Path, accounts: Path) -> None:
    """Add the files of a home.

    Copies of documents are read before the buckets, so that they are not newer than these: a newer copy would refer to
    messages that the streams of the backup lack. The remembered identities of streams (`kleverkit.incarnations`) are
    not added, because NATS gives restored streams another one.

    Args:
        home: the directory of the home.
        archive: receives the files.
        registry: the data directory of the registry.
        accounts: the file with the accounts of the registry.

    Raises:
        BackupError: a file cannot be read.
    """
    files = {"token": home / "token", ACCOUNTS: accounts}
    for directory in DIRECTORIES:
        files |= {str(path.relative_to(home)): path for path in _files(home / directory)}
    for directory in REGISTRY_DIRECTORIES:
        files |= {f"registry/{path.relative_to(registry)}": path for path in _files(registry / directory)}
    for name, path in sorted(files.items()):
        content = _content(path) if is_home_file(name) else None
        if content is not None:
            archive.add(HOME + name, content)


def restore_home(backup: Backup, home: Path) -> None:
    """Write the files into a new home, readable by their owner only. Raises OSError."""
    for name in backup.home_files():
        path = home / name
        path.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        replace_file(path, backup.home_file(name))


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())


def _content(path: Path) -> bytes | None:
    """Return the content of a file; None if it was removed meanwhile."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror or error}") from error
