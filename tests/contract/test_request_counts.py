"""One suite for the request counters of every backend: in memory, of Envoy, and in Prometheus."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from klever_deployer.domain.analysis import Counts, difference, measurement
from kleverroutes.versions import VersionKey
from support.adapters import adapters
from support.data_plane_benches import DataPlaneBench
from support.data_planes import upstreams, version_key
from support.request_count_benches import BENCHES
from support.waiting import eventually

V1, V2, UNKNOWN = (version_key(name) for name in ("v1", "v2", "unknown"))
WITHIN = 30


@pytest.fixture(params=adapters(BENCHES))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DataPlaneBench]:
    async with BENCHES[request.param](tmp_path, lambda: request.getfixturevalue("kubeconfig")) as bench:
        yield bench


async def are_routed(bench: DataPlaneBench) -> None:
    """Wait until requests reach both versions."""

    async def both() -> bool:
        return set(await bench.client.spread(10)) == {"v1", "v2"}

    assert await eventually(both, within=WITHIN)


async def counts_of(bench: DataPlaneBench, requests: int) -> dict[VersionKey, Counts]:
    """The counters, once they have this number of requests in all."""

    async def counted() -> dict[VersionKey, Counts] | None:
        counts = await bench.requests.counts({V1, V2, UNKNOWN})
        latencies = sum(each.latencies[-1].requests for each in counts.values() if each.latencies)
        return counts if sum(each.requests for each in counts.values()) == latencies == requests else None

    counts = await eventually(counted, within=WITHIN)
    assert counts is not None
    return counts


async def test_requests_errors_and_latencies_of_each_version_are_counted(bench: DataPlaneBench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await bench.apply((v1, 50), (v2, 50))
        await are_routed(bench)
        before = (v1.answered, v2.answered)
        first = await counts_of(bench, sum(before))
        v2.status = 500
        await bench.client.spread(60)
        counts = await counts_of(bench, sum(before) + 60)
        assert set(counts) == {V1, V2}
        good, bad = (difference(first[key], counts[key]) for key in (V1, V2))
        assert (good.requests, bad.requests) == (v1.answered - before[0], v2.answered - before[1])
        assert (good.errors, bad.errors) == (0, bad.requests)
        assert (measurement(good).error_percent, measurement(bad).error_percent) == (0.0, 100.0)
        assert (measurement(good).p95_ms or 0) > 0


async def test_no_versions_have_no_counters(bench: DataPlaneBench) -> None:
    assert await bench.requests.counts(()) == {}
