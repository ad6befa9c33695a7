"""The client without async, for notebooks and training code. Each call opens and closes its own connections.

Functions have the names and arguments of the methods of `OrmbClient`. References and paths can be strings.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from .blocking import run_with
from .client import OrmbClient
from .info import ModelInfo
from .layouts.modelpack import MODELPACK
from .reference import Reference
from .referrers import Referrer

ResultT = TypeVar("ResultT")


def save(directory: str | Path, reference: str | Reference, *, layout: str = MODELPACK.name) -> ModelInfo:
    """Pack a model directory into the local store; see `OrmbClient.save`."""
    return _run(lambda client: client.save(Path(directory), _named(reference), layout=layout))


def push(reference: str | Reference) -> ModelInfo:
    """Push a model from the local store to its registry; see `OrmbClient.push`."""
    return _run(lambda client: client.push(_named(reference)))


def push_directory(directory: str | Path, reference: str | Reference, *, layout: str = MODELPACK.name) -> ModelInfo:
    """Push a model directory to a registry, without a local copy; see `OrmbClient.push_directory`."""
    return _run(lambda client: client.push_directory(Path(directory), _named(reference), layout=layout))


def pull(reference: str | Reference) -> ModelInfo:
    """Pull a model into the local store; see `OrmbClient.pull`."""
    return _run(lambda client: client.pull(_named(reference)))


def export(reference: str | Reference, destination: str | Path) -> ModelInfo:
    """Write a model from the local store to a directory; see `OrmbClient.export`."""
    return _run(lambda client: client.export(_named(reference), Path(destination)))


def pull_and_export(reference: str | Reference, destination: str | Path) -> ModelInfo:
    """Pull a model into a directory, without a local copy; see `OrmbClient.pull_and_export`."""
    return _run(lambda client: client.pull_and_export(_named(reference), Path(destination)))


def copy(source: str | Reference, target: str | Reference, *, with_referrers: bool = True) -> ModelInfo:
    """Copy a model to another registry or repository, with its referrers; see `OrmbClient.copy`."""
    return _run(lambda client: client.copy(_named(source), _named(target), with_referrers=with_referrers))


def attach(
    reference: str | Reference,
    files: Sequence[str | Path],
    artifact_type: str,
    annotations: Mapping[str, str],
) -> str:
    """Attach files to a model as an artifact; see `OrmbClient.attach`."""
    paths = [Path(file) for file in files]
    return _run(lambda client: client.attach(_named(reference), paths, artifact_type, annotations))


def discover(reference: str | Reference, artifact_type: str | None = None) -> list[Referrer]:
    """List the referrers of a model; see `OrmbClient.discover`."""
    return _run(lambda client: client.discover(_named(reference), artifact_type))


def inspect(reference: str | Reference) -> ModelInfo:
    """Return the metadata of a model in a registry; see `OrmbClient.inspect`."""
    return _run(lambda client: client.inspect(_named(reference)))


def _named(reference: str | Reference) -> Reference:
    return reference if isinstance(reference, Reference) else Reference.parse_named(reference)


def _run(call: Callable[[OrmbClient], Awaitable[ResultT]]) -> ResultT:
    return run_with(OrmbClient, call)
