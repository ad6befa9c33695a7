"""One suite for every autoscaler: by requests in flight, and in memory."""

import asyncio
from collections.abc import Callable

import pytest

from klever_deployer.adapters.kubernetes.scaling import ClusterScaling
from klever_deployer.adapters.memory import InMemoryScaling
from klever_deployer.adapters.memory_data_plane import InMemoryDataPlane
from klever_deployer.adapters.request_scaling import RequestScaling
from klever_deployer.domain.analysis import Counts
from klever_deployer.ports import Scaling
from kleverproto.variants import Autoscaling
from kleverroutes.versions import Deployment, ServingName, VersionKey
from support.deployer import IRIS, deployment, variant

OTHER = ServingName("default", "abalone")
FOLLOWS = Autoscaling(min_replicas=1, max_replicas=4, target_in_flight=1, scale_down_seconds=1)


class ScalingBench:
    """An autoscaler, and the load that it measures."""

    scaling: Scaling

    async def load(self, version: VersionKey, replicas: int) -> None:
        """Set the load of a version to require this many replicas, for long enough to take effect."""
        raise NotImplementedError


class InMemory(ScalingBench):
    def __init__(self) -> None:
        self.scaling: InMemoryScaling = InMemoryScaling()

    async def load(self, version: VersionKey, replicas: int) -> None:
        self.scaling.ask_for(version, replicas)


class ByRequests(ScalingBench):
    def __init__(self) -> None:
        self._data_plane, self._seconds = InMemoryDataPlane(), 0.0
        self.scaling: RequestScaling = RequestScaling(self._data_plane, lambda: self._seconds)

    async def load(self, version: VersionKey, replicas: int) -> None:
        self._data_plane.counted[version] = Counts(active=replicas)
        for _ in range(5):
            self._seconds += FOLLOWS.scale_down_seconds
            await self.scaling.look()


class ByAutoscaler(ScalingBench):
    """An autoscaler of a cluster, which writes the number into the Deployment."""

    def __init__(self) -> None:
        self._numbers: dict[VersionKey, int] = {}
        self.scaling: ClusterScaling = ClusterScaling(self._numbers.get)

    async def load(self, version: VersionKey, replicas: int) -> None:
        self._numbers[version] = replicas
        self.scaling.on_change(version)


SCALINGS: dict[str, Callable[[], ScalingBench]] = {
    "memory": InMemory,
    "requests": ByRequests,
    "kubernetes": ByAutoscaler,
}


@pytest.fixture(params=SCALINGS)
def bench(request: pytest.FixtureRequest) -> ScalingBench:
    return SCALINGS[request.param]()


def scaled(replicas: int = 1, autoscaling: Autoscaling = FOLLOWS) -> Deployment:
    return Deployment(variant("v1", autoscaling=autoscaling), replicas)


KEY = scaled().key(IRIS)


async def has_changed(scaling: Scaling) -> set[ServingName]:
    """Return the servings that are announced at once, or none."""
    changed = asyncio.create_task(scaling.changed())
    done, _ = await asyncio.wait({changed}, timeout=0.05)
    changed.cancel()
    return changed.result() if done else set()


async def test_only_versions_with_autoscaling_are_scaled(bench: ScalingBench) -> None:
    assert await bench.scaling.declare(IRIS, [scaled(), deployment("v2")]) == {KEY: 1}


async def test_a_version_starts_with_its_recorded_number_within_its_bounds(bench: ScalingBench) -> None:
    for recorded, number in ((3, 3), (0, 1), (9, 4)):
        await bench.scaling.declare(IRIS, ())
        assert await bench.scaling.declare(IRIS, [scaled(recorded)]) == {KEY: number}


async def test_replicas_follow_the_load_within_the_bounds_and_changes_are_announced(bench: ScalingBench) -> None:
    await bench.scaling.declare(IRIS, [scaled()])
    for asked, number in ((3, 3), (100, 4), (2, 2), (0, 1)):
        await bench.load(KEY, asked)
        assert await bench.scaling.changed() == {IRIS}
        assert await bench.scaling.declare(IRIS, [scaled()]) == {KEY: number}


async def test_a_constant_load_announces_nothing(bench: ScalingBench) -> None:
    await bench.scaling.declare(IRIS, [scaled(2)])
    await bench.load(KEY, 2)
    assert await has_changed(bench.scaling) == set()


async def test_declaring_a_version_again_keeps_its_number(bench: ScalingBench) -> None:
    await bench.scaling.declare(IRIS, [scaled()])
    await bench.load(KEY, 3)
    for _ in range(3):
        assert await bench.scaling.declare(IRIS, [scaled(1)]) == {KEY: 3}


async def test_new_bounds_take_effect_at_once(bench: ScalingBench) -> None:
    await bench.scaling.declare(IRIS, [scaled()])
    await bench.load(KEY, 4)
    narrower = FOLLOWS.model_copy(update={"max_replicas": 2})
    assert await bench.scaling.declare(IRIS, [scaled(autoscaling=narrower)]) == {KEY: 2}


async def test_an_idle_version_scales_to_zero_if_its_bounds_allow_it(bench: ScalingBench) -> None:
    idle = FOLLOWS.model_copy(update={"min_replicas": 0})
    await bench.scaling.declare(IRIS, [scaled(autoscaling=idle)])
    await bench.load(KEY, 0)
    assert await bench.scaling.declare(IRIS, [scaled(autoscaling=idle)]) == {KEY: 0}


async def test_an_undeclared_version_is_not_scaled_and_starts_over_later(bench: ScalingBench) -> None:
    await bench.scaling.declare(IRIS, [scaled()])
    await bench.scaling.declare(OTHER, [scaled(2)])
    await bench.load(KEY, 3)
    await bench.scaling.changed()
    assert await bench.scaling.declare(IRIS, ()) == {}
    await bench.load(KEY, 4)
    assert await has_changed(bench.scaling) == set()
    assert await bench.scaling.declare(IRIS, [scaled()]) == {KEY: 1}
    assert await bench.scaling.declare(OTHER, [scaled()]) == {scaled().key(OTHER): 2}
