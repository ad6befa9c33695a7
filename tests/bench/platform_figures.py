"""The platform on one machine: start, push to signature, deploy to ready, the ingress against the bare server, memory.

`uv run task bench`; everything is measured in one run, on a separate platform.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil

from bench import report, wrk
from bench.report import Figure, at_least, at_most
from kleverproto.references import ModelRef
from kleverproto.serving_changes import DeployVersion
from ormb.reference import Reference
from support.small_models import adder
from support.whole_platform import Platform, processes_of, running_platform

PUSHES = 200
DEPLOYS = 10
ROUNDS = 5
BODY = {"inputs": [{"name": "x", "shape": [4], "datatype": "FP32", "data": [1.0, 2.0, 3.0, 4.0]}]}


async def main() -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory(prefix="klever-bench-") as text:
        work = Path(text)
        home = work / "home"
        home.mkdir()
        began = time.monotonic()
        async with running_platform(home) as platform:
            figures = [at_most("platform ready", time.monotonic() - began, 5, "s")]
            figures += await pushes(platform, work)
            figures += await deploys(platform)
            figures += await ingress(platform, work)
            figures += memory(platform)
    report.write("platform", "uv run task bench", figures)


async def pushes(platform: Platform, work: Path) -> list[Figure]:
    """Measure from the start of a push to the signature in the API, one push after the other."""
    seconds = []
    async with platform.client() as client, platform.ormb() as ormb:
        for number in range(PUSHES):
            directory = adder(work / "models" / str(number), number)
            ref = ModelRef.parse(f"bench/adder:v{number}")
            began = time.monotonic()
            await ormb.push_directory(directory, Reference(platform.registry_host, ref.repository, ref.version))
            await client.wait_for_signature(ref)
            seconds.append(time.monotonic() - began)
    p99 = quantiles(seconds, n=100)[98]
    return [
        at_most(f"push → signature, p50 of {PUSHES}", median(seconds) * 1000, 150, "ms"),
        Figure(f"push → signature, p99 of {PUSHES}", f"{p99 * 1000:.3g} ms"),
    ]


async def deploys(platform: Platform) -> list[Figure]:
    """Measure from the request to a ready serving, each a new one; the last one stays."""
    seconds = []
    async with platform.client() as client:
        for number in range(DEPLOYS):
            began = time.monotonic()
            wanted = await client.deploy_version("bench", DeployVersion(model=f"bench/adder:v{number}"))
            await client.wait_for_ready("bench", wanted.generation)
            seconds.append(time.monotonic() - began)
            if number < DEPLOYS - 1:
                await client.delete("bench")
                await client.wait_for_deleted("bench")
    return [
        at_most(f"deploy → ready, median of {DEPLOYS}", median(seconds), 2, "s"),
        Figure(f"deploy → ready, slowest of {DEPLOYS}", f"{max(seconds):.3g} s"),
    ]


async def ingress(platform: Platform, work: Path) -> list[Figure]:
    """Send the same requests through Envoy and directly to the model server, in turns."""
    async with platform.client() as client:
        serving = await client.serving("bench")
    through = serving.status.url if serving and serving.status.url else ""
    [server] = platform.children("kleverserve")
    port = next(c.laddr.port for c in server.net_connections("tcp") if c.status == psutil.CONN_LISTEN)
    direct = f"http://127.0.0.1:{port}/v2/models/bench/infer"
    rounds = [(await wrk.load(direct, BODY, work), await wrk.load(through, BODY, work)) for _ in range(ROUNDS)]
    alone = [
        (await wrk.load(direct, BODY, work, connections=1), await wrk.load(through, BODY, work, connections=1))
        for _ in range(ROUNDS)
    ]
    ratio = median(proxied.rate / bare.rate for bare, proxied in rounds)
    return [
        Figure("requests/s straight to the model server, 16 connections", f"{median(b.rate for b, _ in rounds):.0f}"),
        Figure("requests/s through the ingress, 16 connections", f"{median(p.rate for _, p in rounds):.0f}"),
        at_least("ingress / direct, requests/s", ratio * 100, 90, "%"),
        Figure("p50 / p99 direct, 16 connections", _latency([b for b, _ in rounds])),
        Figure("p50 / p99 through the ingress, 16 connections", _latency([p for _, p in rounds])),
        Figure("p50 / p99 direct, 1 connection", _latency([b for b, _ in alone])),
        Figure("p50 / p99 through the ingress, 1 connection", _latency([p for _, p in alone])),
    ]


def _latency(loads: list[wrk.Load]) -> str:
    p50, p99 = median(load.p50_ms for load in loads), median(load.p99_ms for load in loads)
    return f"{p50:.2f} / {p99:.2f} ms"


def memory(platform: Platform) -> list[Figure]:
    """Measure every process at the end, with one model served."""
    processes = [psutil.Process(platform.process.pid), *processes_of(platform.home)]
    used = [process.memory_full_info() for process in processes]
    pss, rss = (sum(getattr(one, kind) for one in used) / 2**20 for kind in ("pss", "rss"))
    return [
        at_most(f"memory of {len(processes)} processes, one model served (PSS)", pss, 600, "MB"),
        Figure("the same as RSS, which counts shared pages in each process", f"{rss:.0f} MB"),
    ]


if __name__ == "__main__":
    asyncio.run(main())
