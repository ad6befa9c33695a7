"""Measurements in a step of a rollout, with counters that lag behind or are not available."""

from dataclasses import replace

import pytest

from klever_deployer.domain.analysis import Counts, Unmeasured, total
from klever_deployer.errors import DataPlaneError
from klever_deployer.service.measuring import StepMeasurement
from kleverproto.rollouts import Measurement


class Collector:
    """Counters that were collected at a time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.counts = Counts()
        self.collected_at = 100.0
        self.is_down = False

    def collect(self, requests: int) -> None:
        self.counts = Counts(requests)
        self.collected_at = self.now

    async def read(self) -> Counts:
        if self.is_down:
            raise DataPlaneError("nobody responds")
        return replace(self.counts, age=self.now - self.collected_at)


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture
def step(collector: Collector) -> StepMeasurement:
    return StepMeasurement(collector.read, lambda: collector.now)


def requests_of(measured: Measurement | Unmeasured) -> int:
    assert isinstance(measured, Measurement)
    return measured.requests


async def test_requests_since_the_beginning_are_measured(collector: Collector, step: StepMeasurement) -> None:
    collector.collect(10)
    await step.begin()
    collector.collect(15)
    assert requests_of(await step.measure()) == 5
    await step.begin()
    assert requests_of(await step.measure()) == 0


async def test_requests_that_were_collected_late_are_not_those_of_the_step(
    collector: Collector, step: StepMeasurement
) -> None:
    collector.collect(10)
    collector.now += 5
    await step.begin()  # 30 requests since the last collection
    collector.now += 4
    assert requests_of(await step.measure()) == 0
    collector.collect(40)
    assert requests_of(await step.measure()) == 0
    collector.now += 10
    collector.collect(45)
    assert requests_of(await step.measure()) == 5


async def test_counters_that_are_not_available_are_no_measurement(collector: Collector, step: StepMeasurement) -> None:
    collector.collect(10)
    collector.is_down = True
    await step.begin()
    collector.now += 1
    assert await step.measure() == Unmeasured("nobody responds")
    collector.is_down = False
    collector.collect(30)
    assert requests_of(await step.measure()) == 0
    collector.is_down = True
    assert await step.measure() == Unmeasured("nobody responds")
    collector.is_down = False
    collector.collect(31)
    assert requests_of(await step.measure()) == 1


def test_the_oldest_counters_determine_the_age_of_a_sum() -> None:
    assert total([Counts(1, age=3.0), Counts(2, age=5.0)]) == Counts(3, age=5.0)
    assert total([]) == Counts()
