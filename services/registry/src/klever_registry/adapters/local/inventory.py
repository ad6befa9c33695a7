"""All blobs on the local disk. The modification time of a file is the time of the blob's last use."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from klever_registry.domain.storage import Storage

from .layout import Layout


class LocalInventory:
    """See `Inventory` and `Space`."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    async def repositories(self) -> list[str]:
        """See `Inventory`."""
        return await self._layout.disk.read(self._layout.repositories_with_layout)

    async def last_uses(self, repository: str) -> dict[str, datetime]:
        """See `Inventory`."""
        return await self._layout.disk.read(lambda: _last_uses(self._layout.blobs(repository)))

    async def collect(self, repository: str, digest: str, *, before: datetime) -> bool:
        """See `Inventory`."""
        return await self._layout.disk.write(self._layout.remove_unused, repository, digest, before=before)

    async def storage(self) -> Storage:
        """Measure the disk of the whole registry."""
        return Storage(await self._layout.disk.read(self._layout.used, ""), await self._layout.disk.free_bytes())

    async def used(self, project: str) -> int:
        """See `Space`."""
        return await self._layout.disk.read(self._layout.used, project)

    async def open_uploads(self, project: str) -> int:
        """See `Space`."""
        return await self._layout.disk.read(lambda: len(self._layout.uploads_of(project)))


def _last_uses(paths: Sequence[Path]) -> dict[str, datetime]:
    uses: dict[str, datetime] = {}
    for path in paths:
        try:
            used = path.stat().st_mtime
        except FileNotFoundError:  # deleted meanwhile
            continue
        uses[f"{path.parent.name}:{path.name}"] = datetime.fromtimestamp(used, UTC)
    return uses
