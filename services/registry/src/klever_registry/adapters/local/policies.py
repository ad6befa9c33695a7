"""Copies of projects' policies, one file each in the registry's data directory."""

from pathlib import Path

import structlog
from pydantic import ValidationError

from kleverkit.durable import make_directory, replace_file
from kleverproto.projects import ProjectDocument

from .disk import Disk

log = structlog.get_logger(__name__)

SUFFIX = ".json"


class LocalPolicyCopies:
    """See `PolicyCopies`.

    Args:
        disk: the disk of the data directory.
        directory: created with the first copy.
    """

    def __init__(self, disk: Disk, directory: Path) -> None:
        self._disk = disk
        self._directory = directory

    async def keep(self, key: str, document: ProjectDocument) -> None:
        """See `PolicyCopies`."""
        await self._disk.write(self._keep, key, document)

    async def all(self) -> dict[str, ProjectDocument]:
        """See `PolicyCopies`. Unreadable copies are logged and omitted."""
        return await self._disk.read(self._all)

    def _keep(self, key: str, document: ProjectDocument) -> None:
        make_directory(self._directory)
        replace_file(self._directory / f"{key}{SUFFIX}", document.model_dump_json().encode())

    def _all(self) -> dict[str, ProjectDocument]:
        copies = {path.stem: _read(path) for path in sorted(self._directory.glob(f"*{SUFFIX}"))}
        return {key: copy for key, copy in copies.items() if copy is not None}


def _read(path: Path) -> ProjectDocument | None:
    try:
        return ProjectDocument.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        log.error("copy of a policy cannot be read", path=str(path), error=str(error))  # noqa: TRY400
        return None
