"""Moving blobs between a registry and this machine: several at a time, in bounded memory, verified as they pass."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from .digest import hasher_for, hexadecimal
from .errors import DigestMismatchError, RegistryUnavailableError
from .manifest import Descriptor
from .packed import Content
from .ports import Progress, Registry
from .reference import Reference

ResultT = TypeVar("ResultT")
TakeBytes = Callable[[bytes], Any]

TRIES = 5
FIRST_PAUSE = 0.2


class Transfer:
    """Transfers with one registry.

    Args:
        registry: where to or from.
        concurrency: blobs moved at a time.
    """

    def __init__(self, registry: Registry, *, concurrency: int = 4) -> None:
        self._registry = registry
        self._concurrency = concurrency

    async def upload(self, reference: Reference, contents: Iterable[Content], progress: Progress) -> int:
        """Send the blobs that the repository lacks; return how many were sent."""
        distinct = {content.descriptor.digest: content for content in contents}
        slots = asyncio.Semaphore(self._concurrency)

        async def send(content: Content) -> bool:
            async with slots:
                if await self._registry.has_blob(reference, content.descriptor.digest):
                    progress.advanced(content.descriptor.size)
                    return False
                await self._registry.put_blob(reference, content, progress)
                return True

        return sum(await _all(send(content) for content in distinct.values()))

    async def download(
        self, reference: Reference, wanted: Iterable[tuple[Descriptor, Path]], progress: Progress
    ) -> None:
        """Write each blob to its path, which must not exist yet.

        Raises:
            DigestMismatchError: the registry sent other bytes than the digest says; nothing is left at the path.
        """
        slots = asyncio.Semaphore(self._concurrency)

        async def fetch(descriptor: Descriptor, path: Path) -> None:
            async with slots:
                await self._fetch_with_retries(reference, descriptor, path, progress)

        await _all(fetch(descriptor, path) for descriptor, path in wanted)

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
            else:
                return

    async def _fetch(self, reference: Reference, descriptor: Descriptor, path: Path, progress: Progress) -> None:
        received = _Received(progress)
        try:
            # Not in threads: a handle that is opened or closed there is lost when this is cancelled meanwhile.
            with path.open("wb") as file:
                await self._receive(reference, descriptor, file, received)
        except BaseException:
            path.unlink()  # noqa: ASYNC240 - see above
            progress.advanced(-received.size)
            raise

    async def _receive(
        self, reference: Reference, descriptor: Descriptor, file: BinaryIO, received: "_Received"
    ) -> None:
        hasher = hasher_for(descriptor.digest)
        async for chunk in self._registry.get_blob(reference, descriptor.digest):
            received.add(len(chunk))
            if received.size > descriptor.size:
                break  # a registry that sends without end must not fill the disk
            await asyncio.to_thread(_take, file.write, hasher.update, chunk)
        if received.size != descriptor.size or hasher.hexdigest() != hexadecimal(descriptor.digest):
            raise DigestMismatchError(
                f"{reference.host} sent other bytes for {descriptor.digest} than it promised: the blob is damaged "
                "there, push the model again"
            )


@dataclass
class _Received:
    """Counts what has come, so that it can be taken back."""

    progress: Progress
    size: int = 0

    def add(self, count: int) -> None:
        self.size += count
        self.progress.advanced(count)


def _take(write: TakeBytes, update: TakeBytes, chunk: bytes) -> None:
    write(chunk)
    update(chunk)


async def _all(calls: Iterable[Awaitable[ResultT]]) -> list[ResultT]:
    """Await all; when one fails, stop the others and raise its error."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
