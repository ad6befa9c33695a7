"""A backup that is created while models are pushed, deleted and deployed is consistent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest
from nats.aio.client import Client

from klever.backup.oci import manifest_entries
from klever.backup.servers import temporary_client
from klever.backup.verification import verified
from klever.cli.startup import find_nats_server
from klever.platform.home import Home
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverproto.base import WireModel
from kleverproto.models import ExtractionPhase, ModelDocument
from kleverproto.projects import OnUnsafe, ProjectPolicy
from kleverproto.serving_changes import DeployVersion
from kleverproto.servings import ServingDocument
from kleverproto.streams import MODELS, MODELS_BUCKET, SERVINGS, SERVINGS_BUCKET, BucketSpec
from support.commands import Shell
from support.small_models import adder
from support.waiting import eventually
from support.whole_platform import Platform, running_platform

pytestmark = pytest.mark.timeout(600)

BACKUPS = 3
DocT = TypeVar("DocT", bound=WireModel)


@asynccontextmanager
async def repeated(*steps: Callable[[int], Awaitable[object]]) -> AsyncIterator[list[int]]:
    """Repeat each step in the block, side by side. Yields how often each was done."""
    done = [0] * len(steps)

    async def repeat(position: int, step: Callable[[int], Awaitable[object]]) -> None:
        for number in count():
            await step(number)
            done[position] = number + 1

    tasks = [asyncio.create_task(repeat(position, step)) for position, step in enumerate(steps)]
    try:
        yield done
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [result for result in results if not isinstance(result, asyncio.CancelledError)] == []


async def test_no_part_of_a_backup_refers_to_something_that_it_lacks(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    backups = [tmp_path / f"{number}.backup" for number in range(BACKUPS)]
    async with running_platform(home) as platform:
        for number in (1, 2):
            await platform.push(adder(tmp_path / f"served-{number}", number), f"library/served:v{number}")
            await platform.parsed(f"library/served:v{number}")
        async with load(platform, tmp_path) as done:
            await eventually(lambda: _all_at_least(done, 1), within=60)
            for backup in backups:
                before = list(done)
                await Shell(home, tmp_path).ok(f"klever backup create {backup}")
                await eventually(lambda: _grown(before, done), within=60)  # noqa: B023 - awaited at once
    for number, backup in enumerate(backups):
        restored = tmp_path / f"restored-{number}"
        await Shell(restored, tmp_path).ok(f"klever backup restore {backup}")
        await check_references(Home(restored), tags_in(backup))
    await check_restored_platform(restored, tags_in(backups[-1]))


@asynccontextmanager
async def load(platform: Platform, directory: Path) -> AsyncIterator[list[int]]:
    """Push versions and delete every second one, change a policy, and change a serving, all the time."""
    async with platform.client() as client:

        async def push(number: int) -> None:
            await platform.push(adder(directory / f"load-{number}", number), f"load/adder:v{number}")

        async def delete(number: int) -> None:
            ref = f"load/adder:v{2 * number}"
            await platform.parsed(ref)
            version = await client.delete_model(ref)
            await client.wait_for_model_deleted(version)

        async def change_policy(number: int) -> None:
            await client.set_policy(f"project-{number % 5}", ProjectPolicy(scan=[*OnUnsafe][number % 2]))

        async def deploy(number: int) -> None:
            change = DeployVersion(model=f"library/served:v{1 + number % 2}")
            wanted = await client.deploy_version("served", change)
            await client.wait_for_ready("served", wanted.generation)

        async with repeated(push, delete, change_policy, deploy) as done:
            yield done


async def _all_at_least(done: list[int], number: int) -> bool:
    return min(done) >= number


async def _grown(before: list[int], done: list[int]) -> bool:
    return all(now > then for then, now in zip(before, done, strict=True))


def tags_in(backup: Path) -> dict[str, str]:
    """The digests of the versions in a backup, by reference."""
    with verified(backup) as content:
        return {
            f"{repository.name}:{entry.tag}": entry.digest
            for repository in content.repositories()
            for entry in manifest_entries(repository.index)
            if entry.tag
        }


async def check_references(home: Home, tags: dict[str, str]) -> None:
    """Check that documents refer to messages and models that exist, unless a deletion was recorded meanwhile."""
    async with temporary_client(home, find_nats_server()) as client:
        models = (await documents(client, MODELS_BUCKET, ModelDocument).listing()).documents
        servings = (await documents(client, SERVINGS_BUCKET, ServingDocument).listing()).documents
        js = client.jetstream()
        last_model = (await js.stream_info(MODELS.name)).state.last_seq
        last_request = (await js.stream_info(SERVINGS.name)).state.last_seq
    known = {str(each.document.spec.ref): each.document for each in models}
    assert {ref for ref in known.keys() - tags.keys() if not ref.startswith("load/")} == set()
    both = known.keys() & tags.keys()
    assert {ref: known[ref].spec.digest for ref in both} == {ref: tags[ref] for ref in both}
    assert max(each.status.announced_sequence or 0 for each in known.values()) <= last_model
    for each in servings:
        intent = each.document.status.intent
        assert intent is not None
        assert intent.sequence <= last_request
        assert {variant.model for variant in each.document.spec.variants} <= known.keys()


def documents(client: Client, bucket: BucketSpec, kind: type[DocT]) -> NatsDocuments[DocT]:
    source = ClientSource()
    source.set(client)
    return NatsDocuments(source, bucket, kind)


async def check_restored_platform(home: Path, tags: dict[str, str]) -> None:
    """Check that the platform becomes ready, serves, and has parsed exactly the models of its registry."""
    async with running_platform(home) as platform:
        await platform.healed()
        async with platform.client() as client:

            async def is_complete() -> bool:
                models = {str(each.spec.ref): each for each in await client.models()}
                assert {ref: each.spec.digest for ref, each in models.items()} == tags
                assert {each.status.extraction for each in models.values()} == {ExtractionPhase.SUCCEEDED}
                serving = await client.serving("served")
                return serving is not None and serving.status.phase == "Ready"

            await eventually(is_complete, within=120, every=0.5)
