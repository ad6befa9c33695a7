"""Two gateways under load, and each of them killed in turn: no accepted change is lost, and none is made twice."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kleverkit.documents import Stored
from kleverproto.servings import ServingDocument, serving_key
from support.gateway import BASE, owner_at, version_document
from support.gateway_process import GatewayProcess
from support.nats_server import NatsServer
from support.serving_decisions import deciding
from support.waiting import eventually

CLIENTS = 6
SERVING = "namespaces/default/servings/iris"
UNAVAILABLE = 503


@dataclass
class Client:
    """Increments a number in a serving's spec repeatedly. After a failure it uses the other gateway."""

    session: aiohttp.ClientSession
    gateways: list[GatewayProcess]
    at: int
    counts: Counter[int] = field(default_factory=Counter)
    """Numbers of answers by status, after all retries."""
    repeated: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            _, present = await self._send("GET", SERVING)
            body = {"spec": _incremented(present["spec"])}
            headers = {"If-Match": str(present["generation"]), "Idempotency-Key": str(uuid.uuid4())}
            status, _ = await self._send("PUT", SERVING, json=body, headers=headers)
            self.counts[status] += 1

    async def _send(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Send the same request to the gateways in turn until one answers."""
        while True:
            url = f"{self.gateways[self.at].url}{BASE}/{path}"
            try:
                async with self.session.request(method, url, **options) as response:
                    if response.status < UNAVAILABLE and response.status != 404:
                        return response.status, await response.json()
            except aiohttp.ClientError:
                pass
            self.repeated += 1
            self.at = 1 - self.at


def _incremented(spec: dict[str, Any]) -> dict[str, Any]:
    (variant,) = spec["variants"]
    count = variant["parameters"].get("count", 0) + 1
    return {**spec, "variants": [{**variant, "parameters": {"count": count}}]}


def _count(document: ServingDocument) -> int:
    return int(document.spec.variants[0].parameters.get("count", 0))


@pytest.fixture
async def gateways(own_nats: NatsServer, tmp_path: Path) -> AsyncIterator[list[GatewayProcess]]:
    processes = [GatewayProcess(tmp_path / name, own_nats.url) for name in ("first", "second")]
    yield processes
    for process in processes:
        process.kill()


async def _is_ready(session: aiohttp.ClientSession, gateway: GatewayProcess) -> bool:
    async with session.get(f"{gateway.url}/readyz") as response:
        return response.status == 200


@pytest.mark.timeout(180)
async def test_killing_either_gateway_neither_loses_nor_repeats_a_change(
    own_nats: NatsServer, gateways: list[GatewayProcess]
) -> None:
    async with (
        owner_at(own_nats.url) as owner,
        deciding(owner.client) as records,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
    ):
        await owner.version(version_document())
        for gateway in gateways:
            await asyncio.to_thread(gateway.start)
            await eventually(partial(_is_ready, session, gateway), within=30)
        spec = {"variants": [{"name": "v1", "model": "library/iris:v1"}]}
        async with session.put(f"{gateways[0].url}{BASE}/{SERVING}", json={"spec": spec}) as created:
            assert created.status == 202
        clients = [Client(session, gateways, number % 2) for number in range(CLIENTS)]

        async def each_has_answers(count: int) -> bool:
            return all(client.counts.total() >= count for client in clients)

        stop = asyncio.Event()
        running = [asyncio.create_task(client.run(stop)) for client in clients]
        for gateway in gateways:
            needed = min(client.counts.total() for client in clients) + 5
            await eventually(partial(each_has_answers, needed), within=60)
            gateway.kill()
            needed = min(client.counts.total() for client in clients) + 5
            await eventually(partial(each_has_answers, needed), within=60)
            await asyncio.to_thread(gateway.start)
            await eventually(partial(_is_ready, session, gateway), within=30)
        stop.set()
        await asyncio.gather(*running)
        stored = await records.documents.find(serving_key("default", "iris"))
    assert isinstance(stored, Stored)
    counts = sum((client.counts for client in clients), Counter[int]())
    assert set(counts) <= {202, 412}, counts
    assert sum(client.repeated for client in clients) >= 2
    assert counts[202] == _count(stored.document) > 0
    assert stored.document.generation == counts[202] + 1
