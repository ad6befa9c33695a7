"""The same without async, for notebooks and training code: each call opens and closes its own connections."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from .client import OrmbClient
from .info import ModelInfo
from .reference import Reference

ResultT = TypeVar("ResultT")


def save(directory: str | Path, reference: str) -> ModelInfo:
    """Pack a model directory into the local store; see `OrmbClient.save`."""
    named = Reference.parse_named(reference)
    return _run(lambda client: client.save(Path(directory), named))


def push(directory: str | Path, reference: str) -> ModelInfo:
    """Send a model directory to a registry in one call; see `OrmbClient.push_directory`."""
    named = Reference.parse_named(reference)
    return _run(lambda client: client.push_directory(Path(directory), named))


def pull(reference: str, destination: str | Path) -> ModelInfo:
    """Fetch a model into a directory in one call; see `OrmbClient.pull_and_export`."""
    named = Reference.parse_named(reference)
    return _run(lambda client: client.pull_and_export(named, Path(destination)))


def inspect(reference: str) -> ModelInfo:
    """What a registry says of a model; see `OrmbClient.inspect`."""
    named = Reference.parse_named(reference)
    return _run(lambda client: client.inspect(named))


def _run(call: Callable[[OrmbClient], Awaitable[ResultT]]) -> ResultT:
    async def main() -> ResultT:
        async with OrmbClient() as client:
            return await call(client)

    return asyncio.run(main())
