"""Rollouts on the whole platform, under load: good versions proceed and bad ones are rolled back automatically."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from klever.client import KleverClient
from klever.errors import FailedError
from kleverproto.following import OnPush, ServingPolicy
from kleverproto.rollouts import RolloutAction, RolloutPhase, RolloutStatus
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument
from kleverproto.variants import Autoscaling
from support.constant_load import ONE, constant_load
from support.small_models import adder
from support.waiting import eventually
from support.whole_platform import Platform, running_platform

pytestmark = pytest.mark.timeout(180)

SERVER = """
import http.server, json, os, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self._send(200, {})
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        threading.Event().wait(float(os.environ.get("SECONDS", "0")))
        status = int(os.environ["ANSWER"])
        self._send(status, {"outputs": [{"data": [float(os.environ["VALUE"])]}]})
    def _send(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_): ...
print("listening", flush=True)
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
CANARY = {
    "type": "canary",
    "steps": [10, 50],
    "intervalSeconds": 1.0,
    "analysis": {"maxErrorPercent": 5, "minRequests": 20},
}


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Platform]:
    home = tmp_path / "home"
    home.mkdir()
    async with running_platform(home, KLEVER_ALLOW_COMMANDS="1") as running:
        await running.push(adder(tmp_path / "adder", 1), "library/adder:v1")
        await running.push(server(tmp_path / "own"), "library/own:v1")
        yield running


def server(directory: Path, program: str = SERVER) -> Path:
    """A model that brings its own server."""
    (directory / "model").mkdir(parents=True)
    (directory / "model" / "server.py").write_text(program)
    (directory / "ormbfile.yaml").write_text("format: Others\n")
    return directory


def own(*, status: int = 200, value: float = 7.0, strategy: dict[str, Any] | None = None) -> ServingSpec:
    """A custom server that always gives the same answer."""
    command = [sys.executable, "$MODEL_DIR/server.py"]
    variant = {
        "name": "own",
        "model": "library/own:v1",
        "custom": {"command": command},
        "env": {"ANSWER": str(status), "VALUE": str(value)},
    }
    return ServingSpec.model_validate(
        {
            "variants": [variant],
            "traffic": {"weights": {"own": 100}},
            "strategy": strategy or {"type": "rolling"},
        }
    )


async def applied(client: KleverClient, spec: ServingSpec) -> ServingDocument:
    wanted = await client.apply("own", spec)
    return await client.wait_for_ready("own", wanted.generation)


async def rollout_of(client: KleverClient) -> RolloutStatus:
    serving = await client.serving("own")
    assert serving is not None
    assert serving.status.rollout is not None
    return serving.status.rollout


async def test_a_bad_canary_is_rolled_back_automatically_and_affects_only_its_share(platform: Platform) -> None:
    async with platform.client() as client:
        url = (await applied(client, own())).status.url or ""
        async with constant_load(url) as load:
            with pytest.raises(FailedError, match="requests failed, and the limit is 5 %"):
                await applied(client, own(status=500, value=8.0, strategy=CANARY))
            good = load.answers[7.0]

            async def goes_on() -> bool:
                return load.answers[7.0] > good + 100

            failed = sum(load.failures.values())
            assert await eventually(goes_on, within=20)
            assert sum(load.failures.values()) <= failed + 4  # requests in flight
        rollout = await rollout_of(client)
        assert (rollout.phase, rollout.weight) == (RolloutPhase.ROLLED_BACK, 0)
        assert [step.weight for step in rollout.steps] == [10]
        assert set(load.failures) == {500}
        share = load.failures[500] / (load.failures[500] + good)
        assert share < 0.3, share
    events = await platform.events("klever.serving.rolledback.>")
    assert [event["data"]["problem"]["code"] for event in events] == ["analysis_failed"]


async def test_a_good_canary_is_promoted_automatically_and_no_request_fails(platform: Platform) -> None:
    async with platform.client() as client:
        url = (await applied(client, own())).status.url or ""
        async with constant_load(url) as load:
            serving = await applied(client, own(value=8.0, strategy=CANARY))
            seen = load.answers[8.0]

            async def new_only() -> bool:
                return load.answers[8.0] > seen + 50

            assert await eventually(new_only, within=20)
        assert load.failures == {}
        assert serving.status.rollout is not None
        assert [step.weight for step in serving.status.rollout.steps] == [10, 50, 100]
        measured = serving.status.rollout.steps[1].measured
        assert measured is not None
        assert (measured.requests >= 20, measured.error_percent) == (True, 0.0)


async def test_a_push_to_a_followed_tag_becomes_a_canary_and_no_request_fails(
    platform: Platform, tmp_path: Path
) -> None:
    follow = ServingPolicy(on_push=OnPush.DEPLOY)
    newer = server(tmp_path / "newer", SERVER.replace('float(os.environ["VALUE"])', "8.0"))
    async with platform.client() as client:
        url = (await applied(client, own(strategy=CANARY).model_copy(update={"policy": follow}))).status.url or ""
        async with constant_load(url) as load:
            digest = await platform.push(newer, "library/own:v1")
            serving = await client.wait_for_ready("own", 2, within=60)
            seen = load.answers[8.0]

            async def new_only() -> bool:
                return load.answers[8.0] > seen + 50

            assert await eventually(new_only, within=20)
        assert load.failures == {}
        assert [variant.digest for variant in serving.status.variants] == [digest]
        assert serving.status.rollout is not None
        assert [step.weight for step in serving.status.rollout.steps] == [10, 50, 100]
    pushed = await platform.events("klever.model.pushed.>")
    ready = await platform.events("klever.serving.ready.>")
    assert ready[-1]["ce-correlationid"] == pushed[-1]["ce-correlationid"]


async def test_a_deployer_killed_at_a_step_resumes_that_step(platform: Platform) -> None:
    async with platform.client() as client:
        url = (await applied(client, own())).status.url or ""
        async with constant_load(url) as load:
            wanted = await client.apply("own", own(value=8.0, strategy=CANARY))

            async def first_step() -> bool:
                serving = await client.serving("own")
                rollout = serving.status.rollout if serving else None
                return rollout is not None and rollout.generation == wanted.generation and rollout.weight == 10

            assert await eventually(first_step, within=20)
            platform.kill("deployer")
            serving = await client.wait_for_ready("own", wanted.generation)
        assert load.failures == {}
        assert serving.status.rollout is not None
        assert [step.weight for step in serving.status.rollout.steps] == [10, 50, 100]


async def test_blue_green_waits_to_be_tried_and_promoted(platform: Platform) -> None:
    async with platform.client() as client:
        url = (await applied(client, own())).status.url or ""
        waiting = await applied(client, own(value=8.0, strategy={"type": "blueGreen"}))
        assert waiting.status.rollout is not None
        assert waiting.status.rollout.phase is RolloutPhase.WAITING
        plain = await client.infer(url, ONE)
        preview = await client.infer(url, ONE, headers={"x-klever-preview": "true"})
        assert [answer["outputs"][0]["data"] for answer in (plain, preview)] == [[7.0], [8.0]]
        await client.steer("own", RolloutAction.PROMOTE)

        async def promoted() -> bool:
            answer = await client.infer(url, ONE)
            return bool(answer["outputs"][0]["data"] == [8.0])

        assert await eventually(promoted, within=20)


async def test_a_crash_looping_server_is_reported_with_its_last_output(platform: Platform) -> None:
    async with platform.client() as client:
        await applied(client, own())

        async def is_given_up_with_its_last_words() -> bool:
            for process in platform.children("server.py"):
                process.kill()
            serving = await client.serving("own")
            problem = serving.status.problem if serving else None
            return problem is not None and "does not start: its log ends with: " in problem.message

        await eventually(is_given_up_with_its_last_words, within=30)

        async def healed() -> bool:
            serving = await client.serving("own")
            return (
                serving is not None
                and serving.status.problem is None
                and serving.status.variants[0].ready_replicas == 1
            )

        assert await eventually(healed, within=30)
        lines = [line async for line in client.serving_log("own")]
        assert "own/0 | listening" in lines


async def test_replicas_follow_the_requests_in_flight_and_none_fails(platform: Platform) -> None:
    scaling = Autoscaling(min_replicas=1, max_replicas=3, target_in_flight=2, scale_down_seconds=3)
    plain = own()
    slow = plain.variants[0].model_copy(
        update={"autoscaling": scaling, "env": {**plain.variants[0].env, "SECONDS": "0.2"}}
    )

    def running() -> int:
        return len(platform.children("server.py"))

    async def three_run() -> bool:
        return running() == 3

    async def one_runs() -> bool:
        return running() == 1

    async with platform.client() as client:
        serving = await applied(client, plain.model_copy(update={"variants": (slow,)}))
        assert running() == 1
        async with constant_load(serving.status.url or "", clients=6) as load:
            assert await eventually(three_run, within=30, every=0.1)  # polling takes time, which the clients need
        assert await eventually(one_runs, within=30)
        assert load.failures == {}


@pytest.mark.parametrize("part", ["nats", "registry", "jobrunner", "gateway"])
async def test_a_killed_process_of_a_serving_restarts_and_no_request_fails(platform: Platform, part: str) -> None:
    async with platform.client() as client:
        url = (await applied(client, own())).status.url or ""
        async with constant_load(url) as load:
            pid = platform.kill(part)

            async def is_back() -> bool:
                return platform.pid(part) != pid

            assert await eventually(is_back, within=30)
            await platform.healed()
            serving = await applied(client, own(value=9.0))
        assert load.failures == {}
        assert serving.status.url == url
        assert not psutil.pid_exists(pid)
