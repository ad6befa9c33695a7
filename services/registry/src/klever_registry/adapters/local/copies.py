"""Copies of documents: a file each in the registry's data directory."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog
from pydantic import ValidationError

from kleverkit.durable import make_directory, replace_file, sync_directory
from kleverproto.documents import Document

from .disk import Disk

DocT = TypeVar("DocT", bound=Document[Any, Any])

log = structlog.get_logger(__name__)

SUFFIX = ".json"
LONGEST_NAME = 200
"""Characters of a key that names its file; file systems accept 255 bytes, and keys may be longer."""


class LocalCopies(Generic[DocT]):
    """See `Copies`.

    Args:
        disk: of the data directory.
        directory: created with the first copy.
        document: the documents' type.
        key_of: gives the key of a document.
    """

    def __init__(self, disk: Disk, directory: Path, document: type[DocT], key_of: Callable[[DocT], str]) -> None:
        self._disk = disk
        self._directory = directory
        self._document = document
        self._key_of = key_of

    async def keep(self, key: str, document: DocT) -> None:
        """See `Copies`."""
        await self._disk.write(self._keep, key, document)

    async def get(self, key: str) -> DocT | None:
        """See `Copies`."""
        return await self._disk.read(self._read, self._path(key))

    async def remove(self, key: str) -> None:
        """See `Copies`."""
        await self._disk.write(self._remove, key)

    async def all(self) -> dict[str, DocT]:
        """See `Copies`."""
        return await self._disk.read(self._all)

    def _keep(self, key: str, document: DocT) -> None:
        make_directory(self._directory)
        replace_file(self._path(key), document.model_dump_json().encode())

    def _remove(self, key: str) -> None:
        path = self._path(key)
        if path.exists():
            path.unlink(missing_ok=True)
            sync_directory(self._directory)

    def _all(self) -> dict[str, DocT]:
        copies = [self._read(path) for path in sorted(self._directory.glob(f"*{SUFFIX}"))]
        return {self._key_of(copy): copy for copy in copies if copy is not None}

    def _read(self, path: Path) -> DocT | None:
        """A copy that cannot be understood is as good as none, and does not keep others from being restored."""
        try:
            return self._document.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            log.error("copy of a document cannot be read", path=str(path), error=str(error))  # noqa: TRY400
            return None

    def _path(self, key: str) -> Path:
        name = key if len(key) <= LONGEST_NAME else hashlib.sha256(key.encode()).hexdigest()
        return self._directory / f"{name}{SUFFIX}"
