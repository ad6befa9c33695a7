"""Models on this machine's disk, by digest, pulled with ormb."""

import asyncio
import shutil
from pathlib import Path

from klever_deployer.domain.replicas import LocalModel
from klever_deployer.errors import MODEL_NOT_FOUND, PULL_FAILED, ServingError
from kleverkit.errors import TransientError
from kleverproto.references import ModelRef
from ormb.client import OrmbClient
from ormb.errors import NotFoundError, OrmbError
from ormb.exporting import is_exported
from ormb.modelfile import FILE_NAME, load_modelfile
from ormb.reference import Reference


class LocalModelStore:
    """See `ports.ModelStore`.

    Args:
        directory: one directory for each digest.
        root: where ormb keeps credentials.
    """

    def __init__(self, directory: Path, root: Path) -> None:
        self._directory = directory
        self._client = OrmbClient(root)
        self._opened = asyncio.Event()

    async def run(self) -> None:
        """Keep the connections for as long as this runs."""
        async with self._client:
            self._opened.set()
            try:
                await asyncio.Event().wait()
            finally:
                self._opened.clear()

    async def find(self, digest: str) -> LocalModel | None:
        """See `ModelStore`."""
        return await asyncio.to_thread(self._find, digest)

    async def fetch(self, ref: ModelRef, digest: str, registry: str) -> LocalModel:
        """See `ModelStore`."""
        await self._opened.wait()
        path = self._path(digest)
        try:
            await self._client.pull_and_export(Reference(registry, ref.repository, digest=digest), path)
            return _model(path)
        except NotFoundError as error:
            raise ServingError(f"{ref}@{digest} is not in {registry} any more", code=MODEL_NOT_FOUND) from error
        except OrmbError as error:
            if error.transient:
                raise TransientError(str(error)) from error
            raise ServingError(f"{ref} cannot be pulled: {error}", code=PULL_FAILED) from error

    async def keep_only(self, digests: set[str]) -> None:
        """See `ModelStore`."""
        kept = {self._path(digest) for digest in digests}
        await asyncio.to_thread(self._remove_others, kept)

    def _find(self, digest: str) -> LocalModel | None:
        path = self._path(digest)
        return _model(path) if is_exported(path, digest) else None

    def _remove_others(self, kept: set[Path]) -> None:
        for path in self._directory.glob("*"):
            if path not in kept:
                shutil.rmtree(path, ignore_errors=True)

    def _path(self, digest: str) -> Path:
        return self._directory / digest.replace(":", "-")


def _model(path: Path) -> LocalModel:
    modelfile = load_modelfile((path / FILE_NAME).read_text(), source=str(path / FILE_NAME))
    return LocalModel(path, modelfile.format or "")
