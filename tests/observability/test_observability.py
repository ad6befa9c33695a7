"""A real Prometheus scrapes the running platform, which is used and which fails: each panel and alert has data."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain, count, cycle
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import pytest_asyncio

from klever.demo import iris
from klever.observability.alerts import ALERTS, Severity
from klever.observability.boards import DASHBOARDS
from klever.observability.panels import Query
from kleverproto.metrics import METRICS, MetricKind
from kleverproto.models import ExtractionPhase
from kleverproto.references import ModelRef
from ormb.reference import Reference
from support.platform_prometheus import Prometheus
from support.waiting import eventually, pause
from support.whole_platform import Platform, running_platform

ROOT = Path(__file__).parents[2]
VERSIONS = ("demo/iris:v1", "demo/iris:v2")
SERVICES = ("topology", "registry", "jobrunner", "deployer", "gateway")
VARIABLES = {"namespace": "default", "serving": "iris"}
WORDS = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
BODY = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [6.3, 3.3, 6.0, 2.5]}]}
HEALTHY = ("no ", "every", "all ")
"""Panels that are empty for these reasons are empty on a healthy platform, even with traffic."""

pytestmark = [
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed here"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]


@dataclass
class Observed:
    platform: Platform
    prometheus: Prometheus


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def observed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Observed]:
    """A platform that serves a model, with predictions, live events, a failed parse and a dead letter."""
    home = tmp_path_factory.mktemp("home")
    async with running_platform(home, "--observe") as platform, Prometheus.session(platform) as session:
        prometheus = Prometheus(platform, session)
        await eventually(prometheus.scrapes_all, within=60)
        async with _following_events(platform):
            models = tmp_path_factory.mktemp("models")
            await _use(platform, models)
            await _fail(platform, tmp_path_factory.mktemp("broken"))
            async with _traffic(_predict(platform), _list(platform), _push(platform, models), _roll_out(platform)):
                yield Observed(platform, prometheus)


@asynccontextmanager
async def _following_events(platform: Platform) -> AsyncIterator[None]:
    headers = {"Authorization": f"Bearer {platform.token}"}
    url = f"{platform.urls['api']}/api/v1alpha1/events"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as response:
        assert response.status == 200
        yield


@asynccontextmanager
async def _traffic(*uses: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Use the platform meanwhile. Fails if a use has ended before: later tests need the rates of all."""
    tasks = [asyncio.create_task(use) for use in uses]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [result for result in results if not isinstance(result, asyncio.CancelledError)] == []


async def _use(platform: Platform, directory: Path) -> None:
    """Push two versions, and serve one after the other."""
    iris.write_model(iris.V1, directory)
    async with platform.client() as client:
        for ref in VERSIONS:
            await platform.push(directory, ref)
            await platform.parsed(ref)
            await client.deploy(ref, name="iris")


async def _fail(platform: Platform, directory: Path) -> None:
    """Push a version that cannot be parsed, and publish an event that no handler accepts."""
    (directory / "model").mkdir()
    (directory / "model" / "model.onnx").write_bytes(b"no protobuf")
    (directory / "ormbfile.yaml").write_text("format: ONNX\n")
    await platform.push(directory, "demo/broken:v1")
    async with platform.client() as client:

        async def has_failed() -> bool:
            version = await client.model(ModelRef.parse("demo/broken:v1"))
            return version.status.extraction is ExtractionPhase.FAILED

        await eventually(has_failed, within=60)
    async with platform.jetstream() as js:
        await js.publish("klever.model.pushed.demo.poison.v1", b"not an event")


async def _predict(platform: Platform) -> None:
    """Predict until cancelled."""
    url = f"{platform.urls['ingress']}/seldon/default/iris/v2/models/iris/infer"
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.post(url, json=BODY) as response:
                await response.read()
            await pause(0.05)  # leaves time for the servers on a small machine


async def _list(platform: Platform) -> None:
    """Use the API and the registry until cancelled: rates need requests in each interval."""
    reference = Reference(platform.registry_host, "demo/iris", "v1")
    async with platform.client() as client, platform.ormb() as ormb:
        while True:
            await client.models()
            await ormb.discover(reference)
            await pause(0.2)


async def _push(platform: Platform, directory: Path) -> None:
    """Push versions until cancelled, for the rates of events."""
    for number in count(len(VERSIONS) + 1):
        await platform.push(directory, f"demo/iris:v{number}")
        await pause(3)


async def _roll_out(platform: Platform) -> None:
    """Replace the version by the other until cancelled, for the durations of rollouts."""
    async with platform.client() as client:
        for ref in cycle(VERSIONS):
            await client.deploy(ref, name="iris")
            await pause(10)


def queries() -> list[tuple[str, Query]]:
    return [
        (f"{board.title}: {panel.title}", query)
        for board in DASHBOARDS
        for panel in board.panels()
        for query in panel.queries
    ]


async def test_every_panel_has_data(observed: Observed) -> None:
    needed = [(title, query) for title, query in queries() if not query.empty_because.startswith(HEALTHY)]
    assert len(needed) > 60

    async def without_data() -> list[str]:
        return [
            f"{title}: {query.expression}"
            for title, query in needed
            if not await observed.prometheus.query(query.filled(VARIABLES))
        ]

    async def complete() -> bool:
        return not await without_data()

    try:
        await eventually(complete, within=90, every=1)
    except AssertionError:
        pytest.fail("\n".join(await without_data()))


async def test_every_panel_that_may_be_empty_is_valid_and_the_rest_of_it_is_known(observed: Observed) -> None:
    for _, query in queries():
        await observed.prometheus.query(query.filled(VARIABLES))


async def test_every_metric_of_the_table_is_exported_and_no_other(observed: Observed) -> None:
    expected = {
        spec.name + ("_count" if spec.kind is MetricKind.HISTOGRAM else "")
        for spec in METRICS
        if spec.producers != ("kleverserve",)
    }

    async def exported() -> set[str]:
        names = await observed.prometheus.names()
        own = {name for name in names if name.startswith(("klever_", "http_", "messaging_"))}
        return {re.sub(r"_(bucket|sum)$", "_count", name) for name in own}

    async def are_exported() -> bool:
        return expected <= await exported()

    await eventually(are_exported, within=60, every=1)
    assert await exported() <= expected


async def test_names_that_users_choose_are_labels_of_servings_only(observed: Observed) -> None:
    uses = (
        "klever_serving_phase > 0",
        'klever_job_run_duration_seconds_count{kind="extract", result="failure"} > 0',
        'klever_event_outcomes_total{outcome="dead_lettered"} > 0',
    )

    async def are_scraped() -> bool:
        return all([await observed.prometheus.query(use) for use in uses])

    await eventually(are_scraped, within=60, every=1)
    for label in set(await observed.prometheus.get("labels")) - {"__name__"}:
        values = await observed.prometheus.get(f"label/{label}/values")
        assert {"demo", "broken", "poison"} & set(values) == set(), label


async def test_the_exported_text_passes_promtool(observed: Observed) -> None:
    headers = {"Authorization": f"Bearer {observed.platform.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for service in SERVICES:
            url = observed.platform.state["parts"][service]["url"]
            async with session.get(f"{url}/metrics") as response:
                text = await response.read()
            assert await _promtool("check", "metrics", given=text) == (0, ""), service


async def test_a_dead_letter_fires_its_alert_and_nothing_pages(observed: Observed) -> None:
    async def fires() -> bool:
        alerts = (await observed.prometheus.get("alerts"))["alerts"]
        return any(alert["labels"]["alertname"] == "KleverDeadLetters" for alert in alerts)

    await eventually(fires, within=60, every=1)
    pages = {alert.name for alerts in ALERTS.values() for alert in alerts if alert.severity is Severity.PAGE}
    alerts = (await observed.prometheus.get("alerts"))["alerts"]
    assert {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"} & pages == set()


async def test_every_metric_in_an_alert_is_known(observed: Observed) -> None:
    needed: set[str] = set()
    for alert in chain.from_iterable(ALERTS.values()):
        await observed.prometheus.query(alert.expression)
        text = re.sub(r'"[^"]*"|\{[^{}]*\}|by \([^()]*\)', "", alert.expression)
        metrics = {word for word in WORDS.findall(text) if word.startswith(("klever", "http_", "up", "envoy"))}
        assert metrics, alert.name
        needed |= metrics

    async def are_known() -> bool:
        return needed <= await observed.prometheus.names()

    try:
        await eventually(are_known, within=60, every=1)
    except AssertionError:
        pytest.fail(f"unknown: {needed - await observed.prometheus.names()}")


async def test_pages_show_the_figures_and_require_the_login(observed: Observed) -> None:
    async def shows() -> bool:
        return "namespace=default" in await observed.prometheus.text("consoles/klever-servings.html")

    await eventually(shows, within=60, every=1)
    for dashboard in DASHBOARDS:
        assert "error executing template" not in await observed.prometheus.text(f"consoles/{dashboard.name}.html")
    url = f"{observed.prometheus.url}/api/v1/query?query=up"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 401


async def test_requests_have_their_traces_as_exemplars(observed: Observed) -> None:
    async def has_exemplars() -> bool:
        results = await observed.prometheus.get(
            "query_exemplars", query="messaging_process_duration_seconds_bucket", start="0", end="4000000000"
        )
        return any("trace_id" in each["labels"] for series in results for each in series["exemplars"])

    await eventually(has_exemplars, within=60, every=1)


async def test_a_service_that_hangs_is_reported(observed: Observed) -> None:
    process = psutil.Process(observed.platform.pid("jobrunner"))

    async def is_down() -> bool:
        return bool(await observed.prometheus.query('up{job="klever-jobrunner"} == 0'))

    process.suspend()
    try:
        await eventually(is_down, within=90, every=1)
    finally:
        process.resume()
    await eventually(
        observed.prometheus.scrapes_all, within=60, every=1
    )  # other tests, in any order, need every service


async def test_the_rules_pass_promtool() -> None:
    rules = ROOT / "deploy/observability/prometheus/klever.rules.yml"
    cases = Path(__file__).with_name("klever.rules.test.yml")
    assert await _promtool("check", "rules", "--lint-fatal", str(rules)) == (0, "")
    assert await _promtool("test", "rules", str(cases)) == (0, "")


async def _promtool(*arguments: str, given: bytes = b"") -> tuple[int | None, str]:
    """Return the exit code and the message."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("promtool", *arguments, stdin=pipe, stdout=pipe, stderr=pipe)
    output, errors = await process.communicate(given)
    return process.returncode, (output + errors).decode() if process.returncode else errors.decode()
