"""One trace from `ormb push` through NATS, parsing and deployment to the first prediction, received by OTLP."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from klever.demo import iris
from support.commands import Shell
from support.otlp_receiver import OtlpReceiver, Span, receiving_spans
from support.waiting import eventually
from support.whole_platform import Platform, running_platform

SERVICES = ("registry", "jobrunner", "deployer", "gateway")
ROOT = "b7ad6b7169203331"
INPUT = "x=[[6.3,3.3,6.0,2.5]]"


def tracing_to(receiver: OtlpReceiver) -> dict[str, str]:
    return {f"KLEVER_{service.upper()}_OTLP_ENDPOINT": receiver.url for service in SERVICES}


def steps(spans: Iterable[Span]) -> set[tuple[str, str]]:
    return {(span.service, span.name) for span in spans}


def orphans(spans: list[Span], root: str) -> list[Span]:
    """Spans whose parent is neither the root nor in the trace."""
    known = {span.id for span in spans} | {root}
    return [span for span in spans if span.parent not in known]


async def run_commands(platform: Platform, trace: str, *commands: str) -> None:
    shell = Shell(platform.home, platform.home)
    shell.environment |= {"ORMB_ROOTPATH": str(platform.home / "ormb"), "TRACEPARENT": f"00-{trace}-{ROOT}-01"}
    for command in commands:
        await shell.ok(command)


@pytest.mark.timeout(300)
async def test_one_trace_leads_from_the_push_to_the_prediction_also_of_a_followed_tag(tmp_path: Path) -> None:
    first, second = "1" * 32, "2" * 32
    iris.write_model(iris.V1, tmp_path / "v1")
    iris.write_model(iris.V2, tmp_path / "v2")
    home = tmp_path / "home"
    home.mkdir()
    async with receiving_spans() as receiver, running_platform(home, **tracing_to(receiver)) as platform:
        tag = f"{platform.registry_host}/demo/iris:stable"
        await run_commands(platform, first, f"ormb push {tmp_path / 'v1'} {tag}")
        await platform.parsed("demo/iris:stable")
        deploy = "klever deploy demo/iris:stable --name iris --on-push deploy"
        await run_commands(platform, first, deploy, f"klever predict iris --input {INPUT}")
        whole = {
            ("klever-registry", "PUT /v2/{name}/manifests/{reference}"),
            ("klever-registry", "announce tag"),
            ("klever-jobrunner", "extract model"),
            ("klever-registry", "GET /v2/{name}/blobs/{digest}"),
            ("klever-deployer", "reconcile serving"),
        }
        processed = {"klever.model.pushed", "klever.job.completed", "klever.serving.requested"}

        async def is_complete() -> bool:
            spans = receiver.of(first)
            names = " ".join(span.name for span in spans if span.name.endswith("process"))
            services = {span.service for span in spans}
            return (
                whole <= steps(spans)
                and all(subject in names for subject in processed)
                and services == {*(f"klever-{service}" for service in SERVICES), "klever-ingress"}
            )

        await eventually(is_complete, within=60, every=0.5)

        async def is_connected() -> bool:
            return orphans(receiver.of(first), ROOT) == []

        await eventually(is_connected, within=30, every=0.5)

        async def is_logged() -> bool:
            return any(f'"trace_id": "{first}"' in path.read_text() for path in (home / "logs").glob("*.log"))

        await eventually(is_logged, within=30, every=0.5)

        await run_commands(platform, second, f"ormb push {tmp_path / 'v2'} {tag}")
        follows = {("klever-registry", "announce tag"), ("klever-deployer", "reconcile serving")}

        async def has_followed() -> bool:
            return follows <= steps(receiver.of(second)) and orphans(receiver.of(second), ROOT) == []

        await eventually(has_followed, within=90, every=0.5)
