"""Transfers blobs between a registry and this machine: several at a time, in bounded memory, verified meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from modelformats.threads import in_thread

from .digest import CHUNK, Hasher, hasher_for, hexadecimal
from .errors import DigestMismatchError, RegistryUnavailableError
from .manifest import Descriptor
from .packed import Content
from .ports import Progress, Registry
from .reference import Reference
from .space import writing_to

ResultT = TypeVar("ResultT")
TakeBytes = Callable[[bytes], Any]

TRIES = 5
FIRST_PAUSE = 0.2


class Transfer:
    """Transfers blobs to and from one registry.

    Args:
        registry: the client of the registry.
        concurrency: number of concurrent transfers.
    """

    def __init__(self, registry: Registry, *, concurrency: int = 4) -> None:
        self._registry = registry
        self._concurrency = concurrency

    async def upload(
        self,
        reference: Reference,
        contents: Iterable[Content],
        progress: Progress,
        mounts: Mapping[str, str] | None = None,
    ) -> int:
        """Upload the blobs that the repository does not have. Returns their number.

        Args:
            reference: the target.
            contents: the blobs.
            progress: receives the progress.
            mounts: digest to another repository of the registry that may have the blob.
        """
        distinct = {content.descriptor.digest: content for content in contents}
        slots = asyncio.Semaphore(self._concurrency)

        async def send(digest: str, content: Content) -> bool:
            async with slots:
                if await self._registry.has_blob(reference, digest):
                    progress.advanced(content.descriptor.size)
                    return False
                mount_from = mounts.get(digest) if mounts else None
                await self._registry.put_blob(reference, content, progress, mount_from=mount_from)
                return True

        return sum(await _gather(send(digest, content) for digest, content in distinct.items()))

    async def download(
        self, reference: Reference, targets: Iterable[tuple[Descriptor, Path]], progress: Progress
    ) -> None:
        """Download each blob to its path. Interrupted transfers resume.

        Raises:
            DigestMismatchError: the bytes do not match the digest. The file is removed.
        """
        slots = asyncio.Semaphore(self._concurrency)

        async def fetch(descriptor: Descriptor, path: Path) -> None:
            async with slots:
                await self._fetch_with_retries(reference, descriptor, path, progress)

        await _gather(fetch(descriptor, path) for descriptor, path in targets)

    async def _fetch_with_retries(
        self, reference: Reference, descriptor: Descriptor, path: Path, progress: Progress
    ) -> None:
        for count in range(TRIES):
            try:
                await self._fetch(reference, descriptor, path, progress)
            except RegistryUnavailableError:
                if count == TRIES - 1:
                    raise
                await asyncio.sleep(FIRST_PAUSE * 2**count)
            except _DamagedStartError:
                continue  # the file was removed
            else:
                return

    async def _fetch(self, reference: Reference, descriptor: Descriptor, path: Path, progress: Progress) -> None:
        received = _Received(progress)
        try:
            hasher = await in_thread(_hash_partial, path, descriptor, received)
            # Not in threads: if this task is cancelled, a handle that is opened or closed in a thread leaks.
            with writing_to(path.parent), path.open("ab") as file:
                await self._receive(reference, descriptor, hasher, file, received)
        except DigestMismatchError as error:
            path.unlink()  # noqa: ASYNC240 - see above
            received.undo()
            if received.resumed:
                raise _DamagedStartError from error
            raise
        except BaseException:
            received.undo()
            raise

    async def _receive(
        self, reference: Reference, descriptor: Descriptor, hasher: Hasher, file: BinaryIO, received: "_Received"
    ) -> None:
        if received.size < descriptor.size:
            async for chunk in self._registry.get_blob(reference, descriptor.digest, start=received.size):
                received.add(len(chunk))
                if received.size > descriptor.size:
                    break  # an endless response must not fill the disk
                await in_thread(_take, file.write, hasher.update, chunk)
        if received.size != descriptor.size or hasher.hexdigest() != hexadecimal(descriptor.digest):
            raise DigestMismatchError(
                f"{reference.host} sent other bytes for {descriptor.digest} than it promised: the blob is damaged "
                "there, push the model again"
            )


class _DamagedStartError(Exception):
    """The bytes of an earlier attempt are not the beginning of the blob."""


@dataclass
class _Received:
    """Counts received bytes, so that a failed attempt can be subtracted from the progress."""

    progress: Progress
    size: int = 0
    resumed: int = 0
    """Number of bytes of an earlier attempt."""

    def add(self, count: int) -> None:
        self.size += count
        self.progress.advanced(count)

    def undo(self) -> None:
        self.progress.advanced(-self.size)


def _hash_partial(path: Path, descriptor: Descriptor, received: _Received) -> Hasher:
    """Hash the bytes of an earlier attempt. Restart if there are too many."""
    hasher = hasher_for(descriptor.digest)
    if path.exists() and path.stat().st_size > descriptor.size:
        path.unlink()
    if path.exists():
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                hasher.update(chunk)
                received.add(len(chunk))
    received.resumed = received.size
    return hasher


def _take(write: TakeBytes, update: TakeBytes, chunk: bytes) -> None:
    write(chunk)
    update(chunk)


async def _gather(calls: Iterable[Awaitable[ResultT]]) -> list[ResultT]:
    """Await all calls. If one fails, cancel the others and raise its error."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
