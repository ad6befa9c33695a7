"""One suite for every reader of replica output: log files, pods of a scripted and of a real API server, and memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.adapters import adapters
from support.cluster_logs import in_served_pods
from support.data_planes import version_key
from support.log_benches import LOGS, LogsBench

V1, V2 = version_key("v1"), version_key("v2")


@pytest.fixture(params=adapters([*LOGS, "kubernetes"]))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LogsBench]:
    if request.param in LOGS:
        opened = LOGS[request.param](tmp_path)
    else:
        opened = in_served_pods(tmp_path, request.getfixturevalue("kubeconfig"))
    async with opened as bench:
        yield bench


async def test_each_line_comes_once_and_names_its_replica(bench: LogsBench) -> None:
    for version, replica, line in ((V1, 0, "one"), (V1, 1, "two"), (V2, 0, "three")):
        await bench.write(version, replica, line)
    assert await bench.lines() == [("v1", 0, "one"), ("v1", 1, "two"), ("v2", 0, "three")]
    assert await bench.lines() == []


async def test_a_part_is_repeated_until_it_is_acknowledged(bench: LogsBench) -> None:
    await bench.write(V1, 0, "one")
    first, again = await bench.logs.read(), await bench.logs.read()
    assert first == again != []
    await bench.logs.acknowledge(first)
    assert await bench.logs.read() == []


async def test_each_part_of_a_replica_has_its_own_id(bench: LogsBench) -> None:
    ids = []
    for line in ("one", "two", "three"):
        await bench.write(V1, 0, line)
        parts = await bench.logs.read()
        await bench.logs.acknowledge(parts)
        ids += [part.id for part in parts]
    assert len(set(ids)) == len(ids) == 3


async def test_the_next_deployer_resumes_after_the_acknowledged_part(bench: LogsBench) -> None:
    await bench.write(V1, 0, "one")
    assert await bench.lines() == [("v1", 0, "one")]
    await bench.write(V1, 0, "two")
    await bench.hand_over()
    assert await bench.lines() == [("v1", 0, "two")]
