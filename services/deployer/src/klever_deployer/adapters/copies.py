"""Copies of servings as files in the deployer's home."""

import asyncio
from pathlib import Path
from typing import Self

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from klever_deployer.ports import ServingCopy
from kleverkit.durable import make_directory, replace_file, sync_directory
from kleverproto.documents import Tombstone
from kleverproto.servings import ServingDocument
from kleverroutes.versions import ServingName

log = structlog.get_logger(__name__)


class CopyFile(BaseModel):
    """A document or a tombstone."""

    model_config = ConfigDict(frozen=True)

    document: ServingDocument | None = None
    tombstone: Tombstone[ServingDocument] | None = None

    @classmethod
    def of(cls, copy: ServingCopy) -> Self:
        """The file that holds a copy."""
        return cls(tombstone=copy) if isinstance(copy, Tombstone) else cls(document=copy)

    @property
    def content(self) -> ServingCopy | None:
        """The copy; None if the file holds none."""
        return self.document or self.tombstone


class FileCopies:
    """See `ports.CopyStore`: one file for each serving.

    Args:
        directory: holds the files; created if it does not exist.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def read(self) -> dict[ServingName, ServingCopy]:
        """See `CopyStore`."""
        return await asyncio.to_thread(self._read)

    async def write(self, serving: ServingName, copy: ServingCopy) -> None:
        """See `CopyStore`."""
        await asyncio.to_thread(self._write, serving, CopyFile.of(copy).model_dump_json().encode())

    async def remove(self, serving: ServingName) -> None:
        """See `CopyStore`."""
        await asyncio.to_thread(self._remove, serving)

    def _read(self) -> dict[ServingName, ServingCopy]:
        copies = {}
        for path in sorted(self._directory.glob("*.json")):
            try:
                file = CopyFile.model_validate_json(path.read_bytes())
            except (OSError, ValidationError) as error:
                log.error("copy of a serving not readable", path=str(path), error=str(error))  # noqa: TRY400
                continue
            copy = file.content
            if copy is not None:
                copies[ServingName(*path.stem.split("."))] = copy
        return copies

    def _write(self, serving: ServingName, content: bytes) -> None:
        make_directory(self._directory)
        replace_file(self._path(serving), content)

    def _remove(self, serving: ServingName) -> None:
        path = self._path(serving)
        if path.exists():
            path.unlink()
            sync_directory(self._directory)

    def _path(self, serving: ServingName) -> Path:
        return self._directory / f"{serving.namespace}.{serving.name}.json"  # neither has a dot: they are DNS labels
