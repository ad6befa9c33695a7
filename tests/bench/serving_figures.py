"""Serving: changes under load, the accuracy of the traffic split, every format's startup and memory, waking from zero.

`uv run task bench:serving`; everything is measured in one run, on a separate platform. The toolchains have to be
installed (`uv run task test:serving` does that).
"""

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
import psutil

from bench import report
from bench.report import Figure, at_most
from klever.client import KleverClient
from klever_deployer.adapters.local.access_keys import AccessKeys
from kleverproto.serving_changes import ChangeTraffic, DeployVersion, ScaleServing
from kleverproto.traffic import HeaderMatch, HeaderRule, Mirror
from kleverproto.variants import Autoscaling
from kleverroutes.versions import ServingName
from kleverserve.access import HEADER
from support.constant_load import constant_load
from support.framework_answers import CASES
from support.small_models import adder
from support.toolchains import make_models, toolchain_store
from support.waiting import eventually
from support.whole_platform import Platform, running_platform

BODY = {"inputs": [{"name": "x", "shape": [4], "datatype": "FP32", "data": [1.0, 2.0, 3.0, 4.0]}]}
CHANGES, UPDATES, SPREAD, RULED, WAKES = 100, 20, 10_000, 1_000, 5
MAKERS = Path(__file__).parents[1] / "serving" / "makers"


async def main() -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory(prefix="klever-bench-") as text:
        work = Path(text)
        home = work / "home"
        home.mkdir()
        async with running_platform(home) as platform, platform.client() as client:
            for number in (1, 2):
                await platform.push(adder(work / f"adder-{number}", number), f"bench/adder:v{number}")
            bench = Bench(platform, client)
            figures = [
                *await bench.changes(),
                *await bench.spread(),
                *await bench.wakes(),
                *await bench.formats(work),
            ]
    report.write("serving", "uv run task bench:serving", figures)


@dataclass
class Bench:
    """A platform with two versions of a small model."""

    platform: Platform
    client: KleverClient

    async def deploy(self, ref: str, name: str = "bench", traffic: int | None = None) -> str:
        """Deploy a version. Return its URL."""
        wanted = await self.client.deploy_version(name, DeployVersion(model=ref, traffic=traffic))
        serving = await self.client.wait_for_ready(name, wanted.generation, within=300)
        return serving.status.url or ""

    async def changes(self) -> list[Figure]:
        """Count the requests that fail while traffic changes and versions are replaced."""
        url = await self.deploy("bench/adder:v1")
        async with constant_load(url, BODY) as load:
            for number in range(UPDATES):
                await self.deploy(f"bench/adder:v{2 - number % 2}")
        updates = Figure(
            f"{UPDATES} rolling updates: failed of requests", f"{load.failures.total()} of {load.answers.total()}"
        )
        await self.deploy("bench/adder:v2", traffic=20)
        async with constant_load(url, BODY) as load:
            for number in range(CHANGES):
                await self.weigh(20 + number % 60)
        weights = Figure(
            f"{CHANGES} changes of weights: failed of requests", f"{load.failures.total()} of {load.answers.total()}"
        )
        return [updates, weights]

    async def weigh(self, percent: int) -> None:
        """Set the weight of v2."""
        change = ChangeTraffic(weights={"v1": 100 - percent, "v2": percent})
        wanted = await self.client.change_traffic("bench", change)
        await self.client.wait_for_ready("bench", wanted.generation)

    async def spread(self) -> list[Figure]:
        """Measure the distribution of answers by weights, rules and mirror."""
        await self.weigh(20)
        present = await self.client.serving("bench")
        if present is None or present.status.url is None:
            raise LookupError("bench")
        url = present.status.url
        by_weight = await _answered(url, SPREAD)
        share = 100 * by_weight["v2"] / SPREAD
        rule = HeaderRule(headers={"x-user": HeaderMatch(prefix="a")}, variant="v2")
        change = ChangeTraffic(weights={"v1": 100, "v2": 0}, rules=(rule,), mirror=Mirror(variant="v2"))
        wanted = await self.client.change_traffic("bench", change)
        await self.client.wait_for_ready("bench", wanted.generation)
        ruled = await _answered(url, RULED, **{"x-user": "ann"})
        before = await self.counted("v2")
        plain = await _answered(url, RULED)
        mirrored = await self.counted("v2") - before
        return [
            at_most(f"weights 80/20 over {SPREAD} requests: percent off", abs(share - 20), 1, "%"),
            Figure(f"header rule: of {RULED} requests with the header to v2", str(ruled["v2"]), str(RULED)),
            Figure(f"header rule: of {RULED} requests without it to v1", str(plain["v1"]), str(RULED)),
            Figure(f"mirror of 100 %: of {RULED} requests also at v2", str(mirrored), str(RULED)),
        ]

    async def counted(self, variant: str) -> int:
        """Return the inference requests that a variant's server has answered; a mirrored one may be slightly late."""
        await asyncio.sleep(2)
        servers = self.platform.children("kleverserve")
        [server] = [each for each in servers if f"--version {variant}" in " ".join(each.cmdline())]
        keys = AccessKeys.from_file(self.platform.home / "deployer" / "access.secret")
        key = keys(ServingName("default", "bench"))
        return await _requests(f"http://127.0.0.1:{_port(server)}/metrics", key)

    async def wakes(self) -> list[Figure]:
        """Measure the first request to a serving without a replica."""
        present = await self.client.serving("bench")
        if present is None or present.status.url is None:
            raise LookupError("bench")
        scaling = Autoscaling(min_replicas=0, max_replicas=1, scale_down_seconds=0.5)
        await self.client.change_traffic("bench", ChangeTraffic.model_validate({"rules": None, "mirror": None}))
        await self.client.deploy_version("bench", DeployVersion(model="bench/adder:v1"))
        wanted = await self.client.scale("bench", ScaleServing(autoscaling=scaling))
        await self.client.wait_for_ready("bench", wanted.generation)
        seconds = []
        for _ in range(WAKES):
            await eventually(self.is_idle, within=60)
            await asyncio.sleep(1.0)
            began = time.monotonic()
            await self.client.infer(present.status.url, BODY)
            seconds.append(time.monotonic() - began)
        await self.client.delete("bench")
        await self.client.wait_for_deleted("bench")
        return [Figure(f"wake from zero, ONNX, median of {WAKES}", f"{median(seconds):.3g} s")]

    async def is_idle(self) -> bool:
        """Return whether no model server runs."""
        return not self.platform.children("kleverserve")

    async def formats(self, work: Path) -> list[Figure]:
        """Measure deploy to ready, and the memory of a replica, for one model of each format."""
        figures, seen = [], set()
        models = {"ONNX": work / "adder-1"} | dict(_made(work))
        for model_format, directory in sorted(models.items()):
            seen.add(model_format)
            name = model_format.lower()
            await self.platform.push(directory, f"bench/{name}:v1")
            began = time.monotonic()
            await self.deploy(f"bench/{name}:v1", name)
            took = time.monotonic() - began
            (server,) = self.platform.children("kleverserve")
            memory = server.memory_full_info().pss / 2**20
            text = f"{took:.3g} s, {memory:.0f} MB"
            goal, met = ("≤ 2 s", took <= 2) if model_format == "ONNX" else ("", None)
            figures.append(Figure(f"{model_format}: deploy → ready, memory of the replica (PSS)", text, goal, met))
            await self.client.delete(name)
            await self.client.wait_for_deleted(name)
        return figures


def _made(work: Path) -> list[tuple[str, Path]]:
    """One model for each format that a framework writes."""
    models: dict[str, Path] = {}
    store = toolchain_store()
    for maker, (toolchain, names) in CASES.items():
        python = next(each.path for each in store.list() if each.name == toolchain) / "bin" / "python"
        made = make_models(python, MAKERS / f"{maker}.py", work / maker)
        for name in names.split():
            model_format = json.loads((made / name / "case.json").read_text())["format"]
            if not (made / name / "ormbfile.yaml").exists():
                (made / name / "ormbfile.yaml").write_text(f"format: {model_format}\n")
            models.setdefault(model_format, made / name)
    return list(models.items())


async def _answered(url: str, count: int, **headers: str) -> Counter[str]:
    """Count the answers of each variant to this number of requests."""
    answers: Counter[str] = Counter()

    async def client(session: aiohttp.ClientSession, share: int) -> None:
        for _ in range(share):
            async with session.post(url, json=BODY, headers=headers) as response:
                await response.read()
                answers[response.headers["x-klever-variant"]] += 1

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(client(session, count // 4) for _ in range(4)))
    return answers


async def _requests(url: str, key: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url, headers={HEADER: key}) as response:
        lines = (await response.text()).splitlines()
    counts = [line for line in lines if line.startswith("kleverserve_infer_requests_total{")]
    return sum(int(float(line.rpartition(" ")[2])) for line in counts)


def _port(server: psutil.Process) -> int:
    return next(c.laddr.port for c in server.net_connections("tcp") if c.status == psutil.CONN_LISTEN)


if __name__ == "__main__":
    asyncio.run(main())
