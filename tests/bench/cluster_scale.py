"""200 servings on simulated nodes: time until all are ready, requests, memory, and a change of weights.

`uv run task bench:cluster-scale`; needs what `task test:cluster` builds. Everything is measured in one run. The audit
log of the API server counts the requests of the deployer's account.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil

from bench import report
from bench.report import Figure, at_most
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.resources import VIRTUAL_SERVICES
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingPhase, ServingRequested
from kleverproto.streams import SERVINGS_BUCKET
from kleverproto.traffic import Traffic
from kleverproto.variants import Variant
from support.cluster_account import DEPLOYER, Account, grant
from support.custom_definitions import ISTIO, install
from support.deployer_service import Surroundings, without_deployer
from support.kube_api_server import audit_log, kube_api_server
from support.kwok_nodes import kwok_nodes
from support.nats_server import NatsServer
from support.onnx_models import look_up, model_directory
from support.replicas import ReplicaProcess
from support.waiting import eventually

SERVINGS, NODES = 200, 10
RESYNC_SECONDS = 10.0
READY_WITHIN = 900.0


@dataclass
class Bench:
    """A deployer, its cluster and its account."""

    world: Surroundings
    api: KubernetesApi
    account: Account
    deployer: ReplicaProcess

    async def ready(self) -> dict[str, ServingDocument]:
        """The servings that are ready."""
        source = ClientSource()
        source.set(self.world.client)
        listing = await NatsDocuments(source, SERVINGS_BUCKET, ServingDocument).listing()
        documents = [each.document for each in listing.documents]
        return {
            each.name: each
            for each in documents
            if each.status.phase is ServingPhase.READY and each.status.observed_generation == each.generation
        }

    def requests(self) -> Counter[str]:
        """Requests by verb, without watches and logs."""
        counted: Counter[str] = Counter()
        for line in audit_log(self.account.administrator).read_text().splitlines():
            event = json.loads(line)
            named = event.get("objectRef", {})
            if DEPLOYER in event["user"]["username"] and named.get("subresource") != "log" and event["verb"] != "watch":
                counted[event["verb"]] += 1
        return counted

    def process(self) -> psutil.Process:
        """The deployer's process."""
        assert self.deployer.process is not None
        return psutil.Process(self.deployer.process.pid)

    async def deploy(self, first: int, last: int) -> tuple[float, Counter[str]]:
        """Deploy servings at the same time; the seconds until all are ready, and the requests."""
        before, began = self.requests(), time.monotonic()
        for number in range(first, last):
            await self.world.ask(requested(number, 100))

        async def are_ready() -> bool:
            return len(await self.ready()) >= last

        await eventually(are_ready, within=READY_WITHIN, every=0.5)
        return time.monotonic() - began, self.requests() - before

    async def change_weight(self) -> tuple[float, float, Counter[str]]:
        """Change one serving; the seconds until its route has changed, and until it is ready, and the requests."""
        await self.world.ask(requested(0, 50))
        await eventually(lambda: self._has(0, 50), within=READY_WITHIN, every=0.1)
        before, began = self.requests(), time.monotonic()
        await self.world.ask(requested(0, 90))
        await eventually(lambda: self._has_route(0, 90), within=READY_WITHIN, every=0.02)
        routed = time.monotonic() - began
        await eventually(lambda: self._has(0, 90), within=READY_WITHIN, every=0.02)
        return routed, time.monotonic() - began, self.requests() - before

    async def _has(self, number: int, weight: int) -> bool:
        document = (await self.ready()).get(name_of(number))
        return document is not None and document.spec.traffic.weights["v1"] == weight

    async def _has_route(self, number: int, weight: int) -> bool:
        route = await self.api.read(VIRTUAL_SERVICES, "default", name_of(number))
        assert route is not None
        shares = [each["weight"] for http in route["spec"]["http"] for each in http.get("route", [])]
        return weight in shares

    async def idle(self, passes: int) -> tuple[float, Counter[str]]:
        """Processor seconds of a pass over all servings in which nothing changes, and its requests."""
        before, used = self.requests(), processor_seconds(self.process())
        await asyncio.sleep(passes * RESYNC_SECONDS)
        requests = self.requests() - before
        return (processor_seconds(self.process()) - used) / passes, requests


def name_of(number: int) -> str:
    return f"serving-{number:03}"


def requested(number: int, weight: int) -> ServingRequested:
    """A serving whose variants v1 and v2 share the traffic."""
    weights = {"v1": weight, "v2": 100 - weight}
    variants = tuple(Variant(name=name, model=f"library/iris:{name}") for name in weights if weights[name])
    traffic = Traffic(weights={name: share for name, share in weights.items() if share})
    return ServingRequested(
        namespace="default", name=name_of(number), spec=ServingSpec(variants=variants, traffic=traffic)
    )


def processor_seconds(process: psutil.Process) -> float:
    """Return the processor time that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


async def measure(bench: Bench, model: Path) -> list[Figure]:
    """All figures."""
    for version in ("v1", "v2"):
        await bench.world.push(model, f"library/iris:{version}")
    quarter, few = await bench.deploy(0, SERVINGS // 4)
    memory_of_quarter = bench.process().memory_info().rss
    rest, many = await bench.deploy(SERVINGS // 4, SERVINGS)
    memory = bench.process().memory_info().rss
    seconds, requests = await bench.idle(3)
    routed, ready, changed = await bench.change_weight()
    per_serving = [few.total() / (SERVINGS // 4), many.total() / (SERVINGS * 3 // 4)]
    each = (memory - memory_of_quarter) / (SERVINGS * 3 // 4) / 1024
    return [
        Figure(f"time until {SERVINGS} servings are ready, per serving", f"{(quarter + rest) / SERVINGS:.2f} s"),
        Figure("ready servings per second, the last 150 against the first 50", f"{150 / rest * quarter / 50:.2f}"),
        Figure(
            "requests to deploy a serving, of the first 50 and the last 150",
            " / ".join(f"{x:.1f}" for x in per_serving),
        ),
        at_most(
            f"requests of a pass over {SERVINGS} servings that changes nothing", requests.total() / 3, 5, "requests"
        ),
        Figure(f"processor time of a pass over {SERVINGS} servings that changes nothing", f"{seconds:.2f} s"),
        at_most("memory for each further serving", each, 500, "KiB"),
        Figure("a change of weights is in the VirtualService", f"{routed * 1000:.0f} ms"),
        Figure("a change of weights is Ready, with 1 s for the proxies", f"{ready:.2f} s"),
        Figure("requests of a change of weights", f"{changed.total()} ({dict(changed)})"),
    ]


async def main() -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory(prefix="klever-bench-") as text:
        work = Path(text)
        nats = NatsServer(work)
        with kube_api_server(work) as server, kwok_nodes(server.kubeconfig, NODES), nats:
            account = grant(server.kubeconfig, DEPLOYER)
            settings = {"nats_url": nats.url, "backend": "plain", "kubeconfig": account.kubeconfig}
            more = {"work_dir": work / "deployer", "resync_seconds": RESYNC_SECONDS, "ready_timeout_seconds": 600}
            deployer = ReplicaProcess("deployer", 1, work, settings | more)
            async with connected(server.kubeconfig) as client:
                await install(client, *ISTIO)
                async with without_deployer(nats.url, work) as world:
                    deployer.start(within=60)
                    try:
                        bench = Bench(world, KubernetesApi(client), account, deployer)
                        figures = await measure(bench, model_directory(look_up(), work / "model"))
                    finally:
                        deployer.stop()
    report.write("cluster", "uv run task bench:cluster-scale", figures)


if __name__ == "__main__":
    asyncio.run(main())
