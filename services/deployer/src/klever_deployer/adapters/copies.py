"""Copies of servings as files in the deployer's home."""

import asyncio
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from klever_deployer.domain.versions import ServingName
from klever_deployer.ports import ServingCopy
from kleverkit.durable import make_directory, replace_file, sync_directory
from kleverproto.documents import Tombstone
from kleverproto.servings import ServingDocument

log = structlog.get_logger(__name__)


class _File(BaseModel):
    """A document or a tombstone."""

    model_config = ConfigDict(frozen=True)

    document: ServingDocument | None = None
    tombstone: Tombstone[ServingDocument] | None = None


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
        file = _File(tombstone=copy) if isinstance(copy, Tombstone) else _File(document=copy)
        await asyncio.to_thread(self._write, serving, file.model_dump_json().encode())

    async def remove(self, serving: ServingName) -> None:
        """See `CopyStore`."""
        await asyncio.to_thread(self._remove, serving)

    def _read(self) -> dict[ServingName, ServingCopy]:
        copies = {}
        for path in sorted(self._directory.glob("*.json")):
            try:
                file = _File.model_validate_json(path.read_bytes())
            except (OSError, ValidationError) as error:
                log.error("copy of a serving not readable", path=str(path), error=str(error))  # noqa: TRY400
                continue
            copy = file.document or file.tombstone
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
