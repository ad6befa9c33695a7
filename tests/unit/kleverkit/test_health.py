"""The answers of `/healthz`, `/readyz` and `/metrics`."""

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, Counter

from kleverkit.errors import TransientError
from kleverkit.health import Health, add_health_routes, holds


async def test_readiness_requires_every_check_and_names_the_failing_one() -> None:
    state = {"nats": True, "pool": False}
    health = Health()

    async def nats() -> bool:
        return state["nats"]

    async def pool() -> bool:
        return state["pool"]

    health.add("nats", holds(nats, "NATS cannot be reached"))
    health.add("pool", holds(pool, "no worker is ready"))
    app = web.Application()
    add_health_routes(app, health, CollectorRegistry())
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/readyz")
        assert response.status == 503
        body = await response.json()
        assert body["checks"] == {"nats": True, "pool": False}
        assert body["problems"] == {"pool": "no worker is ready"}
        state["pool"] = True
        assert (await client.get("/readyz")).status == 200
        assert (await client.get("/healthz")).status == 200


async def test_a_check_that_is_added_while_others_run_is_reported_the_next_time() -> None:
    health = Health()

    async def lead() -> str | None:
        health.add("ingress", holds(_never, "Envoy does not respond"))
        return None

    health.add("lease", lead)
    assert await health.problems() == {"lease": None}
    assert await health.problems() == {"lease": None, "ingress": "Envoy does not respond"}


async def test_the_checks_of_readiness_are_metrics_and_a_failed_refresh_hides_nothing_else() -> None:
    registry, health = CollectorRegistry(), Health()
    health.add("pool", holds(_never, "no worker is ready"))

    async def refresh() -> None:
        raise TransientError("the documents cannot be read")

    app = web.Application()
    add_health_routes(app, health, registry, [refresh])
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/metrics")
        assert response.status == 200
        assert 'klever_health_check{check="pool"} 0.0' in await response.text()


async def _never() -> bool:
    return False


async def test_metrics_are_in_the_prometheus_text_format() -> None:
    registry = CollectorRegistry()
    Counter("pushes", "Pushes seen", registry=registry).inc()
    app = web.Application()
    add_health_routes(app, Health(), registry)
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/metrics")
        assert "pushes_total 1.0" in await response.text()
        assert response.content_type == "text/plain"
