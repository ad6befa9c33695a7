"""Models on this machine's disk, by digest, pulled with ormb."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

from klever_deployer.domain.versions import ModelSource
from klever_deployer.errors import MODEL_NOT_FOUND, PULL_FAILED, ServingError
from kleverkit.errors import TransientError
from kleverproto.conversions import UNVERIFIED
from ormb.client import OrmbClient
from ormb.errors import NotFoundError, OrmbError
from ormb.exporting import is_exported
from ormb.modelfile import FILE_NAME, load_modelfile
from ormb.reference import Reference

from .replica_specs import LocalModel

REMOVED = ".removed."
"""Prefix of a model's directory while it is removed."""


class LocalModelStore:
    """See `shelf.ModelStore`.

    Args:
        directory: one directory for each digest.
        client: pulls models; not entered yet.
    """

    def __init__(self, directory: Path, client: OrmbClient) -> None:
        self._directory = directory
        self._client = client
        self._opened = asyncio.Event()

    async def run(self) -> None:
        """Keep the client's connections open until cancelled."""
        async with self._client:
            self._opened.set()
            try:
                await asyncio.Event().wait()
            finally:
                self._opened.clear()

    async def find(self, digest: str) -> LocalModel | None:
        """See `ModelStore`."""
        return await asyncio.to_thread(self._find, digest)

    async def fetch(self, source: ModelSource) -> LocalModel:
        """See `ModelStore`."""
        ref, digest, registry = source.ref, source.digest, source.registry
        if registry is None:
            raise TransientError(
                f"{ref}@{digest} is not on this machine, and not in the catalogue: waiting for the catalogue"
            )
        await self._opened.wait()
        path = self._path(digest)
        try:
            await self._client.pull_and_export(Reference(registry, ref.repository, digest=digest), path)
            return _model(path)
        except NotFoundError as error:
            raise ServingError(f"{ref}@{digest} is no longer in {registry}", code=MODEL_NOT_FOUND) from error
        except OrmbError as error:
            if error.transient:
                raise TransientError(str(error)) from error
            raise ServingError(f"{ref} cannot be pulled: {error}", code=PULL_FAILED) from error

    async def digests(self) -> set[str]:
        """See `ModelStore`."""
        return await asyncio.to_thread(lambda: {_digest(path) for path in self._directory.glob("*sha*-*")})

    async def remove(self, digest: str) -> None:
        """See `ModelStore`."""
        await asyncio.to_thread(self._remove, digest)

    def _find(self, digest: str) -> LocalModel | None:
        path = self._path(digest)
        return _model(path) if is_exported(path, digest) else None

    def _remove(self, digest: str) -> None:
        """Renames the directory first, so that an interrupted removal does not leave an incomplete model."""
        path = self._path(digest)
        removed = path.with_name(REMOVED + path.name)
        shutil.rmtree(removed, ignore_errors=True)
        with suppress(FileNotFoundError):
            path.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)

    def _path(self, digest: str) -> Path:
        return self._directory / digest.replace(":", "-")


def _digest(path: Path) -> str:
    """The digest of a model, or of one whose removal was interrupted."""
    return path.name.removeprefix(REMOVED).replace("-", ":", 1)


def _model(path: Path) -> LocalModel:
    modelfile = load_modelfile((path / FILE_NAME).read_text(), source=str(path / FILE_NAME))
    return LocalModel(path, modelfile.format or "", unverified=modelfile.labels.get(UNVERIFIED, ""))
