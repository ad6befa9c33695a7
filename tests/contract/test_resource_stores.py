"""One suite for every store of custom resources: a cluster, and memory."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest

from klever_gateway.adapters.kubernetes.resource_store import ClusterResources
from klever_gateway.adapters.memory_resources import InMemoryResources
from klever_gateway.domain.resources.resource import Notice, Resource, ResourceKind, ResourceName
from klever_gateway.ports import ResourceStore
from kleverkit.errors import TransientError
from kleverproto.custom_resources import ORIGIN_LABEL, PLATFORM_ORIGIN, ModelJobSpec, ServingResourceStatus
from support.adapters import adapters
from support.custom_definitions import install_platform
from support.kubectl import Kubectl
from support.waiting import eventually

SPEC: dict[str, Any] = {"variants": [{"name": "v1", "model": "library/iris:v1"}]}
STATUS = ServingResourceStatus(observed_generation=1, requested_generation=1, phase="Pending", message="a step")


class Users(Protocol):
    """Actions of users of the store."""

    async def apply(self, name: ResourceName, spec: dict[str, Any]) -> None: ...
    async def remove(self, name: ResourceName) -> None: ...


@dataclass
class UsersOfMemory:
    store: InMemoryResources

    async def apply(self, name: ResourceName, spec: dict[str, Any]) -> None:
        self.store.apply(name, spec)

    async def remove(self, name: ResourceName) -> None:
        self.store.remove(name)


@dataclass
class UsersOfCluster:
    kubectl: Kubectl

    async def apply(self, name: ResourceName, spec: dict[str, Any]) -> None:
        group = "klever.dev" if name.kind is ResourceKind.SERVING else "kleveross.io"
        metadata = {"name": name.name, "namespace": name.namespace}
        kind = name.kind.value
        await self.kubectl.apply({"apiVersion": f"{group}/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})

    async def remove(self, name: ResourceName) -> None:
        await self.kubectl.run("delete", name.kind.value, name.name, "-n", name.namespace, "--wait=false")


@dataclass
class Bench:
    """A store that is followed, its users, and a name that is not used yet."""

    store: ResourceStore
    users: Users
    changed: list[ResourceName] = field(default_factory=list)
    name: ResourceName = field(
        default_factory=lambda: ResourceName(ResourceKind.SERVING, "default", f"iris-{uuid.uuid4().hex[:8]}")
    )

    async def resource(self, generation: int = 1) -> Resource:
        """Return the resource once the store has it in this state."""

        async def find() -> Resource | None:
            stored = self.store.find(self.name)
            return stored if stored is not None and stored.generation == generation else None

        resource = await eventually(find, within=30)
        assert resource is not None
        return resource

    async def applied(self) -> Resource:
        await self.users.apply(self.name, SPEC)
        return await self.resource()

    async def until_gone(self) -> None:
        async def is_gone() -> bool:
            return self.store.find(self.name) is None

        await eventually(is_gone, within=30)


@asynccontextmanager
async def in_memory(_request: pytest.FixtureRequest) -> AsyncIterator[tuple[ResourceStore, Users]]:
    store = InMemoryResources()
    yield store, UsersOfMemory(store)


@asynccontextmanager
async def on_cluster(request: pytest.FixtureRequest) -> AsyncIterator[tuple[ResourceStore, Users]]:
    kubectl = Kubectl(request.getfixturevalue("kubeconfig"))
    await install_platform(kubectl)
    yield ClusterResources(kubectl.kubeconfig), UsersOfCluster(kubectl)


STORES = {"memory": in_memory, "kubernetes": on_cluster}


@pytest.fixture(params=adapters(STORES))
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async with STORES[request.param](request) as (store, users):
        bench = Bench(store, users)
        async with store.following(bench.changed.append):
            yield bench


async def test_new_and_changed_resources_are_reported(bench: Bench) -> None:
    first = await bench.applied()
    assert (first.spec, first.is_held, first.status) == (SPEC, False, {})
    assert bench.name in bench.changed
    changed = {"variants": [{"name": "v1", "model": "library/iris:v2"}]}
    await bench.users.apply(bench.name, changed)
    second = await bench.resource(2)
    assert (second.spec, second.uid) == (changed, first.uid)
    assert second.request_key != first.request_key
    assert bench.name in {each.name for each in bench.store.resources(ResourceKind.SERVING)}


async def test_held_resource_stays_until_it_is_released(bench: Bench) -> None:
    held = await bench.store.hold(await bench.applied())
    assert held.is_held
    await bench.users.remove(bench.name)
    deleting = await bench.resource(2)
    assert (deleting.is_deleting, deleting.is_held, deleting.deletion_key) == (True, True, held.deletion_key)
    await bench.store.release(deleting)
    await bench.until_gone()
    await bench.store.release(deleting)


async def test_resource_that_is_not_held_is_removed_at_once(bench: Bench) -> None:
    await bench.applied()
    await bench.users.remove(bench.name)
    await bench.until_gone()


async def test_status_is_replaced_and_changes_neither_spec_nor_generation(bench: Bench) -> None:
    written = await bench.store.write_status(await bench.applied(), STATUS)
    assert written.read_status(ServingResourceStatus) == STATUS
    changed = STATUS.model_copy(update={"message": "", "url": "http://x"})
    written = await bench.store.write_status(written, changed)
    assert written.read_status(ServingResourceStatus) == changed
    assert (written.generation, written.spec) == (1, SPEC)


async def test_result_of_a_write_is_returned_at_once(bench: Bench) -> None:
    resource = await bench.store.hold(await bench.applied())
    for number in range(5):
        resource = await bench.store.write_status(resource, STATUS.model_copy(update={"message": str(number)}))
        stored = bench.store.find(bench.name)
        assert stored is not None
        assert (stored.is_held, stored.read_status(ServingResourceStatus).message) == (True, str(number))


async def test_write_does_not_create_a_resource_that_is_gone(bench: Bench) -> None:
    gone = await bench.applied()
    await bench.users.remove(bench.name)
    await bench.until_gone()
    for write in (bench.store.hold(gone), bench.store.write_status(gone, STATUS)):
        with pytest.raises(TransientError):
            await write
    assert bench.store.find(bench.name) is None


async def test_write_does_not_change_another_resource_with_the_same_name(bench: Bench) -> None:
    gone = await bench.applied()
    await bench.users.remove(bench.name)
    await bench.until_gone()
    another = await bench.applied()
    assert another.uid != gone.uid
    store = bench.store
    for write in (store.hold(gone), store.write_status(gone, STATUS), store.release(gone), store.delete(gone)):
        with pytest.raises(TransientError):
            await write
    present = bench.store.find(bench.name)
    assert present is not None
    assert (present.uid, present.status, present.is_deleting) == (another.uid, {}, False)


async def test_write_to_an_earlier_version_is_refused(bench: Bench) -> None:
    read = await bench.applied()
    await bench.store.hold(read)
    for write in (bench.store.write_status(read, STATUS), bench.store.release(read)):
        with pytest.raises(TransientError):
            await write


async def test_resource_is_created_once(bench: Bench) -> None:
    name = ResourceName(ResourceKind.MODEL_JOB, "default", str(uuid.uuid4()))
    spec = ModelJobSpec.model_validate({"model": "library/iris:v1", "scan": {}})
    first = await bench.store.create(name, spec, {ORIGIN_LABEL: PLATFORM_ORIGIN})
    second = await bench.store.create(name, spec, {ORIGIN_LABEL: PLATFORM_ORIGIN})
    assert (first.uid, first.spec, first.is_mirror) == (second.uid, {"model": "library/iris:v1", "scan": {}}, True)
    assert bench.store.find(name) == second
    await bench.store.delete(second)

    async def is_gone() -> bool:
        return bench.store.find(name) is None

    await eventually(is_gone, within=30)
    await bench.store.delete(second)


async def test_notice_can_be_published_again(bench: Bench) -> None:
    resource = await bench.applied()
    for _ in range(2):
        await bench.store.publish(resource, Notice(reason="Accepted", message="x" * 5000, is_warning=True))
