"""Models from an OCI registry, through the ormb library."""

import asyncio
from pathlib import Path

from klever_jobrunner.errors import MODEL_NOT_FOUND, PULL_FAILED, JobError
from klever_jobrunner.ports import FetchedModel
from kleverkit.errors import TransientError
from kleverproto.jobs import JobSpec
from ormb.client import OrmbClient
from ormb.errors import NotFoundError, OrmbError
from ormb.packing import MODEL
from ormb.reference import Reference


class OrmbModelSource:
    """See `ports.ModelSource`.

    Args:
        root: where ormb keeps credentials.
    """

    def __init__(self, root: Path) -> None:
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

    async def fetch(self, spec: JobSpec, destination: Path) -> FetchedModel:
        """See `ports.ModelSource`."""
        await self._opened.wait()
        reference = Reference(spec.registry, spec.ref.repository, digest=spec.digest)
        try:
            info = await self._client.pull_and_export(reference, destination)
        except NotFoundError as error:
            raise JobError(f"{spec.ref} is no longer in {spec.registry}: {error}", code=MODEL_NOT_FOUND) from error
        except OrmbError as error:
            if error.transient:
                raise TransientError(str(error)) from error
            raise JobError(f"{spec.ref} cannot be pulled: {error}", code=PULL_FAILED) from error
        return FetchedModel(destination / MODEL, info.format)
