"""Model servers as local processes: started, adopted, watched and stopped."""

import ast
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import psutil
import pytest

from klever_deployer.adapters.local.replica_specs import Endpoint, replica_key
from klever_deployer.adapters.local.workloads import LocalWorkloads
from klever_deployer.domain.versions import VersionSpec, VersionState
from klever_deployer.errors import DataPlaneError
from kleverproto.variants import CUSTOM, Custom, Gpu, Resources
from kleverroutes.versions import ServingName
from support.deployer import IRIS, variant, version_spec
from support.local_workloads import launching_in, make_workloads
from support.onnx_models import look_up, model_directory
from support.waiting import eventually, others

BROKEN = "broken"


@dataclass
class Bench:
    """This machine, and the model servers that it may run."""

    workloads: LocalWorkloads

    def custom(self, code: str, **changes: Any) -> VersionSpec:
        """A custom server: a Python program."""
        command = (sys.executable, "-c", code, "$MODEL_NAME")
        return version_spec("v1", custom=Custom(command=command, ready_path="/up"), **changes)

    async def until(self, spec: VersionSpec, *, failed: bool = False) -> VersionState:
        """Return the state of a version once all its replicas are ready, or one has failed."""

        async def state() -> VersionState | None:
            states = {state.key: state for state in self.workloads.states()}
            present = states[spec.key]
            return present if (present.problem if failed else present.ready == present.desired > 0) else None

        state_now = await eventually(state, within=20)
        assert state_now is not None
        return state_now

    def endpoint(self, spec: VersionSpec) -> Endpoint:
        """The endpoint of the only replica."""
        [endpoint] = self.workloads.endpoints(spec.key)
        return endpoint


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    model_directory(look_up(), directory / "v1")
    (directory / BROKEN / "model").mkdir(parents=True)
    (directory / BROKEN / "model" / "model.onnx").write_bytes(b"no model at all")
    return directory


def local(directory: Path, models: Path) -> LocalWorkloads:
    return make_workloads(directory / "workloads", launching_in(directory), lambda spec: models / spec.tag)


@pytest.fixture
async def here(models: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(local(tmp_path, models))
    yield bench
    await bench.workloads.replicas.stop_all()


def servers() -> list[psutil.Process]:
    """The running model servers that were started from here."""
    children = psutil.Process().children()
    return [p for p in children if is_running(p) and "kleverserve" in p.cmdline()]


def is_running(process: psutil.Process) -> bool:
    return process.status() != psutil.STATUS_ZOMBIE


def files(directory: Path, pattern: str = "*") -> list[Path]:
    return [path for path in directory.rglob(pattern) if path.is_file()]


async def test_a_server_answers_by_the_name_of_the_serving_and_the_tag(here: Bench) -> None:
    await here.workloads.apply(version_spec("v1"), 1)
    await here.until(version_spec("v1"))
    endpoint = here.endpoint(version_spec("v1"))
    url = f"http://{endpoint.host}:{endpoint.port}/v2/models/iris"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        body = await response.json()
    assert (body["name"], body["versions"]) == ("iris", ["v1"])


async def test_the_next_deployer_adopts_running_servers(here: Bench, models: Path, tmp_path: Path) -> None:
    spec = version_spec("v1")
    await here.workloads.apply(spec, 1)
    before = await here.until(spec)
    [process] = servers()
    await here.workloads.abandon()

    here.workloads = local(tmp_path, models)
    assert here.workloads.states() == [VersionState(spec.key)]
    await here.workloads.apply(spec, 1)
    assert await here.until(spec) == before
    assert servers() == [process]
    await here.workloads.replicas.stop_all()
    assert servers() == []


async def test_the_next_deployer_stops_unwanted_servers(here: Bench, models: Path, tmp_path: Path) -> None:
    spec = version_spec("v1")
    await here.workloads.apply(spec, 1)
    await here.until(spec)
    await here.workloads.abandon()

    here.workloads = local(tmp_path, models)
    await here.workloads.remove(spec.key)
    assert (here.workloads.states(), servers()) == ([], [])
    assert files(tmp_path / "workloads") == []


async def test_an_unrecorded_server_is_stopped(here: Bench, models: Path, tmp_path: Path) -> None:
    spec = version_spec("v1")
    await here.workloads.apply(spec, 1)
    await here.until(spec)
    await here.workloads.abandon()
    [record] = files(tmp_path / "workloads", "*.json")
    record.unlink()
    task = asyncio.create_task(local(tmp_path, models).replicas.run())

    async def none_is_left() -> bool:
        return servers() == []

    assert await eventually(none_is_left)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_killed_server_is_restarted_at_the_same_endpoint(here: Bench) -> None:
    spec = version_spec("v1")
    await here.workloads.apply(spec, 1)
    before = await here.until(spec)
    endpoint = here.endpoint(spec)
    await here.workloads.changed()
    [process] = servers()
    process.kill()
    assert await here.workloads.changed() == {IRIS}
    assert await here.until(spec) == replace(before, restarts=1)
    assert here.endpoint(spec) == endpoint
    assert servers() != [process]


async def test_a_failure_gives_the_end_of_the_log_once_as_its_reason(here: Bench, tmp_path: Path) -> None:
    spec = version_spec(BROKEN)
    await here.workloads.apply(spec, 1)
    state = await here.until(spec, failed=True)
    [log] = files(tmp_path / "workloads", "*.log")
    assert log.read_text().splitlines()[-1].removeprefix("kleverserve: ") in (state.problem or "")
    assert (state.problem or "").count("cannot load the model") == 1


SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/up" else 404)
        self.end_headers()
        names = ("MODEL_DIR", "MODEL_NAME", "GREETING", "PYTEST_VERSION")
        self.wfile.write(repr([sys.argv[1], os.getcwd(), *(os.environ.get(name) for name in names)]).encode())
    def log_message(self, *_): ...
http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


async def test_a_custom_server_gets_port_model_and_variables_and_no_secret(here: Bench, models: Path) -> None:
    spec = here.custom(SERVER, env={"GREETING": "hello"})
    await here.workloads.apply(spec, 1)
    state = await here.until(spec)
    url = f"http://127.0.0.1:{here.endpoint(spec).port}/up"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        environment = ast.literal_eval(await answer.text())
    model = models / "v1"
    assert environment == ["iris", str(model), str(model / "model"), "iris", "hello", None]
    assert state.runtime == CUSTOM


async def test_a_command_that_cannot_run_is_reported(here: Bench) -> None:
    spec = version_spec("v1", custom=Custom(command=("/no/such/program",)))
    await here.workloads.apply(spec, 1)
    state = await here.until(spec, failed=True)
    assert state.problem == "/no/such/program cannot be run: No such file or directory"


async def test_a_server_over_its_memory_limit_is_stopped_with_the_reason(here: Bench) -> None:
    greedy = SERVER.replace("import http", "hoard = bytearray(200_000_000); import http")
    spec = here.custom(greedy, resources=Resources(memory="100Mi"))
    await here.workloads.apply(spec, 1)
    state = await here.until(spec, failed=True)
    assert "of memory, its limit is 104857600" in (state.problem or "")
    assert state.restarts >= 3


async def test_a_server_runs_on_its_allowed_number_of_cores(here: Bench) -> None:
    spec = here.custom(SERVER, resources=Resources(cpu="500m"))
    await here.workloads.apply(spec, 1)
    await here.until(spec)
    [process] = [p for p in psutil.Process().children() if is_running(p) and "-c" in p.cmdline()]
    assert len(process.cpu_affinity() or []) == 1


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"resources": Resources(gpu=Gpu())}, "GPU"),
        ({"custom": Custom(image="example.org/server:1")}, "custom.command"),
    ],
    ids=["gpu", "image"],
)
def test_a_spec_that_local_processes_cannot_run_is_refused(
    models: Path, tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    workloads = local(tmp_path, models)
    assert complaint in (workloads.refusal(IRIS, variant("v1", **changes)) or "")
    assert workloads.refusal(IRIS, variant("v1")) is None


def custom_servers() -> list[psutil.Process]:
    """The running custom servers that were started from here."""
    return [p for p in psutil.Process().children() if is_running(p) and "-c" in p.cmdline()]


async def test_a_hanging_server_is_unready_within_two_seconds_and_ready_once_it_answers(here: Bench) -> None:
    spec = here.custom(SERVER)
    await here.workloads.apply(spec, 1)
    before = await here.until(spec)
    await here.workloads.changed()
    [process] = custom_servers()
    process.suspend()
    began = monotonic()
    assert await here.workloads.changed() == {IRIS}
    assert monotonic() - began < 2.0
    assert here.workloads.states() == [replace(before, ready=0)]
    process.resume()
    assert await here.until(spec) == before
    assert custom_servers() == [process]


UNREADY = SERVER.replace("self.path ==", "not os.path.exists(os.environ['UNREADY']) and self.path ==")


async def test_a_server_that_reports_unready_is_not_ready(here: Bench, tmp_path: Path) -> None:
    switch = tmp_path / "unready"
    spec = here.custom(UNREADY, env={"UNREADY": str(switch)})
    await here.workloads.apply(spec, 1)
    before = await here.until(spec)
    await here.workloads.changed()
    switch.touch()
    assert await here.workloads.changed() == {IRIS}
    assert here.workloads.states() == [replace(before, ready=0)]
    switch.unlink()
    assert await here.until(spec) == before


STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER


async def test_a_start_that_is_superseded_while_it_waits_leaves_no_server(here: Bench) -> None:
    """Undeployed, deployed and undeployed again, each before the previous change has completed."""
    spec = here.custom(STUBBORN)
    await here.workloads.apply(spec, 1)
    await here.until(spec)
    for change in (here.workloads.remove(spec.key), here.workloads.apply(spec, 1)):
        task = asyncio.create_task(change)
        await asyncio.wait({task}, timeout=0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await here.workloads.remove(spec.key)
    assert (here.workloads.states(), custom_servers()) == ([], [])


async def test_starts_that_wait_for_the_same_stop_start_one_server(here: Bench) -> None:
    spec = here.custom(SERVER)
    await here.workloads.apply(spec, 1)
    await here.until(spec)
    stop = asyncio.create_task(here.workloads.remove(spec.key))
    await asyncio.wait({stop}, timeout=0)
    await asyncio.gather(stop, here.workloads.apply(spec, 1), here.workloads.apply(spec, 1))
    await here.until(spec)
    assert len(custom_servers()) == 1


async def test_a_completed_stop_is_no_longer_waited_for(here: Bench) -> None:
    """A start in the same turn would await a stop that is still listed, without ever suspending."""
    workloads = here.workloads
    spec = here.custom(SERVER)
    await workloads.apply(spec, 1)
    await here.until(spec)
    stop = asyncio.create_task(workloads.remove(spec.key))
    while not stop.done():
        assert not [ending for ending in workloads.replicas._stopping.values() if ending.done()]
        await others(1)


async def test_nothing_starts_once_the_platform_stops(here: Bench) -> None:
    await here.workloads.replicas.stop_all()
    await here.workloads.apply(here.custom(SERVER), 1)
    assert custom_servers() == []


async def test_an_adopted_server_keeps_its_requests_until_its_readiness_is_known(
    here: Bench, models: Path, tmp_path: Path
) -> None:
    spec = version_spec("v1")
    await here.workloads.apply(spec, 1)
    before = await here.until(spec)
    await here.workloads.abandon()
    here.workloads = local(tmp_path, models)
    await here.workloads.apply(spec, 1)
    assert here.workloads.states() == [replace(before, ready=0)]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "no JSON"])
async def test_the_server_of_an_unreadable_record_is_replaced(
    here: Bench, models: Path, tmp_path: Path, text: str
) -> None:
    spec = here.custom(SERVER)
    await here.workloads.apply(spec, 1)
    await here.until(spec)
    [process] = custom_servers()
    await here.workloads.abandon()
    [record] = files(tmp_path / "workloads", "*.json")
    record.write_text(text)

    here.workloads = successor = local(tmp_path, models)
    task = asyncio.create_task(successor.replicas.run())
    await successor.apply(spec, 1)
    await here.until(spec)

    async def is_replaced() -> bool:
        return len(custom_servers()) == 1 and custom_servers() != [process]

    await eventually(is_replaced)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_unrelated_process_with_the_id_of_a_server_is_neither_adopted_nor_stopped(
    here: Bench, models: Path, tmp_path: Path
) -> None:
    spec = here.custom(SERVER)
    await here.workloads.apply(spec, 1)
    await here.until(spec)
    [server] = custom_servers()
    await here.workloads.abandon()
    [record] = files(tmp_path / "workloads", "*.json")
    bystander = await asyncio.create_subprocess_exec("sleep", "600")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"pid": bystander.pid}))

    here.workloads = local(tmp_path, models)
    await here.workloads.apply(spec, 1)
    await here.until(spec)
    await here.workloads.remove(spec.key)
    assert bystander.returncode is None
    bystander.kill()
    await bystander.wait()
    server.kill()


async def test_a_server_without_space_for_its_record_serves_and_is_recorded_later(here: Bench, tmp_path: Path) -> None:
    spec = here.custom(SERVER)
    in_the_way = tmp_path / "workloads" / "replicas" / f"{replica_key(spec.key, 0).id}.json"
    in_the_way.mkdir(parents=True)
    await here.workloads.apply(spec, 1)
    assert (await here.until(spec)).restarts == 0
    assert files(tmp_path / "workloads", "*.json") == []
    in_the_way.rmdir()

    async def is_recorded() -> bool:
        return len(files(tmp_path / "workloads", "*.json")) == 1

    await eventually(is_recorded)
    assert len(custom_servers()) == 1


async def test_a_replica_that_cannot_start_reports_why_and_is_retried(here: Bench, tmp_path: Path) -> None:
    spec = here.custom(SERVER)
    in_the_way = tmp_path / "workloads" / "logs"
    in_the_way.parent.mkdir()
    in_the_way.touch()  # no log can be written there
    await here.workloads.apply(spec, 1)
    state = await here.until(spec, failed=True)
    assert "it cannot be started: " in (state.problem or "")
    in_the_way.unlink()
    assert (await here.until(spec)).problem is None


DESCRIBED = """
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self._send(200, {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]})
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send(int(os.environ["ANSWER"]), {"error": "no weights"})
    def _send(self, status, document):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())
    def log_message(self, *_): ...
http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


async def test_a_custom_server_that_fails_on_its_sample_is_never_ready(here: Bench) -> None:
    spec = here.custom(DESCRIBED, env={"ANSWER": "500"})
    await here.workloads.apply(spec, 1)
    state = await here.until(spec, failed=True)
    assert not state.ready
    assert "it responds to a sample request with 500" in (state.problem or "")


async def test_a_custom_server_that_answers_its_sample_is_ready(here: Bench) -> None:
    spec = here.custom(DESCRIBED, env={"ANSWER": "200"})
    await here.workloads.apply(spec, 1)
    assert (await here.until(spec)).ready == 1


UNLOADS = """
import http.server, os
gone = []
class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if gone else 200)
        self.end_headers()
    def do_POST(self):
        gone.append(self.path)
        self.send_response(200)
        self.end_headers()
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Server).serve_forever()
"""
"""A server that unloads its model on request and never loads it again."""


async def test_a_server_whose_model_was_removed_is_restarted(here: Bench) -> None:
    spec = here.custom(UNLOADS)
    await here.workloads.apply(spec, 1)
    await here.until(spec)
    endpoint = here.endpoint(spec)
    async with aiohttp.ClientSession() as session:
        await (await session.post(f"http://{endpoint.host}:{endpoint.port}/unload")).read()

    async def is_back() -> bool:
        [state] = here.workloads.states()
        return state.ready == 1 and state.restarts == 1

    assert await eventually(is_back, within=30)


async def test_a_surplus_replica_is_stopped_once_it_gets_no_requests(here: Bench) -> None:
    spec, withdrawn, may_stop = here.custom(SERVER), asyncio.Event(), asyncio.Event()

    async def withdraw(serving: ServingName) -> None:
        assert serving == IRIS
        withdrawn.set()
        await may_stop.wait()

    here.workloads.withdraw_by(withdraw)
    await here.workloads.apply(spec, 2)
    await here.until(spec)
    first, _second = here.workloads.endpoints(spec.key)
    await here.workloads.apply(spec, 1)
    await withdrawn.wait()
    assert (here.workloads.endpoints(spec.key), len(custom_servers())) == ((first,), 2)
    may_stop.set()

    async def is_stopped() -> bool:
        return len(custom_servers()) == 1

    assert await eventually(is_stopped)
    assert here.workloads.endpoints(spec.key) == (first,)


async def test_a_replica_that_is_needed_again_before_it_is_stopped_is_kept(here: Bench) -> None:
    spec, withdrawn = here.custom(SERVER), asyncio.Event()

    async def withdraw(_serving: ServingName) -> None:
        withdrawn.set()
        await asyncio.Event().wait()

    here.workloads.withdraw_by(withdraw)
    await here.workloads.apply(spec, 2)
    await here.until(spec)
    before, running = here.workloads.endpoints(spec.key), custom_servers()
    await here.workloads.apply(spec, 1)
    await withdrawn.wait()
    await here.workloads.apply(spec, 2)
    assert (here.workloads.endpoints(spec.key), custom_servers()) == (before, running)
    assert (await here.until(spec)).desired == 2


async def test_a_replica_is_not_stopped_while_the_proxy_does_not_answer(here: Bench) -> None:
    spec, asked = here.custom(SERVER), 0

    async def withdraw(_serving: ServingName) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise DataPlaneError("Envoy does not answer")

    here.workloads.withdraw_by(withdraw)
    await here.workloads.apply(spec, 1)
    await here.until(spec)
    await here.workloads.apply(spec, 0)

    async def is_stopped() -> bool:
        return custom_servers() == []

    assert await eventually(is_stopped)
    assert asked == 2
    [state] = here.workloads.states()
    assert (state.desired, state.ready, state.problem) == (0, 0, None)


async def test_unready_busy_replicas_get_requests_only_if_none_is_ready(
    here: Bench,
) -> None:
    spec = here.custom(SERVER)
    await here.workloads.apply(spec, 2)
    await here.until(spec)
    both, (first, second) = here.workloads.endpoints(spec.key), custom_servers()
    first.suspend()

    async def endpoints(expected: int) -> bool:
        ready = sum(state.ready for state in here.workloads.states())
        return (len(here.workloads.endpoints(spec.key)), ready) == (expected or 2, expected)

    assert await eventually(lambda: endpoints(1))
    second.suspend()
    assert await eventually(lambda: endpoints(0))
    assert here.workloads.endpoints(spec.key) == both
    assert here.workloads.ready_endpoint(spec.key) is None
    first.resume()
    second.resume()


async def test_a_waiting_request_is_refused_with_the_reason_if_no_replica_starts(here: Bench) -> None:
    spec = version_spec(BROKEN)
    assert here.workloads.ready_endpoint(spec.key) is None
    await here.workloads.apply(spec, 1)
    await here.until(spec, failed=True)
    with pytest.raises(LookupError, match=r"the model server does not start: .*model"):
        here.workloads.ready_endpoint(spec.key)
