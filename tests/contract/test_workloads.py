"""One suite for every place where model servers may run: processes of this machine and memory."""

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

from klever_deployer.adapters.local.launching import Launching, server_packages, server_path
from klever_deployer.adapters.local.workloads import LocalWorkloads
from klever_deployer.adapters.memory import InMemoryWorkloads
from klever_deployer.domain.replicas import CUSTOM, LocalModel, Prepared, ReplicaSpec, ReplicaState
from klever_deployer.ports import Workloads
from kleverkit.secret_files import SecretFiles
from kleverproto.variants import Custom, Gpu, Resources
from kleversandbox.support import Confinement, find_support
from support.deployer import IRIS, key, variant
from support.onnx_models import look_up, model_directory
from support.waiting import eventually, others

BROKEN = "broken"


@dataclass
class Bench:
    """Somewhere model servers may run, and what they may run."""

    workloads: Workloads
    models: Path

    def spec(self, version: str = "v1", index: int = 0) -> ReplicaSpec:
        directory = self.models / (BROKEN if version == BROKEN else "good")
        prepared = Prepared(LocalModel(directory, "ONNX"), "kleverserve")
        return ReplicaSpec(key(version, index), prepared, variant(version))

    def custom(self, code: str, **changes: Any) -> ReplicaSpec:
        """A server of one's own: a Python program."""
        command = (sys.executable, "-c", code, "$MODEL_NAME")
        own = variant("v1", custom=Custom(command=command, ready_path="/up"), **changes)
        return ReplicaSpec(key("v1"), Prepared(LocalModel(self.models / "good", "ONNX"), CUSTOM), own)

    async def until(self, spec: ReplicaSpec, *, failed: bool = False) -> ReplicaState:
        """The state of a replica, once it is ready, or has failed."""

        async def state() -> ReplicaState | None:
            found = {state.key: state for state in self.workloads.states()}[spec.key]
            return found if (found.failure if failed else found.ready) else None

        found = await eventually(state, within=20)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    model_directory(look_up(), directory / "good")
    (directory / BROKEN / "model").mkdir(parents=True)
    (directory / BROKEN / "model" / "model.onnx").write_bytes(b"no model at all")
    return directory


def local(directory: Path) -> LocalWorkloads:
    launching = Launching(
        Path(sys.executable),
        server_path(directory / "python", server_packages()),
        SecretFiles(directory / "secrets"),
        Confinement(find_support()),
    )
    return LocalWorkloads(directory / "workloads", launching, grace_seconds=5.0)


@pytest.fixture(params=["local", "memory"])
async def bench(request: pytest.FixtureRequest, models: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "memory":
        yield Bench(InMemoryWorkloads({BROKEN: "no model at all"}), models)
        return
    workloads = local(tmp_path)
    yield Bench(workloads, models)
    await workloads.close()


@pytest.fixture
async def here(models: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(local(tmp_path), models)
    yield bench
    if isinstance(bench.workloads, LocalWorkloads):
        await bench.workloads.close()


def servers() -> list[psutil.Process]:
    """The model servers that were started from here and run."""
    children = psutil.Process().children()
    return [p for p in children if is_running(p) and "kleverserve" in p.cmdline()]


def is_running(process: psutil.Process) -> bool:
    return process.status() != psutil.STATUS_ZOMBIE


def files(directory: Path, pattern: str = "*") -> list[Path]:
    return [path for path in directory.rglob(pattern) if path.is_file()]


async def test_replicas_get_ready_each_at_its_own_endpoint_and_are_told_and_listed(bench: Bench) -> None:
    first, second = bench.spec(), bench.spec(index=1)
    for spec in (first, second, first):
        await bench.workloads.start(spec)
    states = [await bench.until(spec) for spec in (first, second)]
    assert len({state.endpoint for state in states}) == 2
    assert {state.key for state in bench.workloads.states()} == {first.key, second.key}
    assert await bench.workloads.changed() == {IRIS}


async def test_a_stopped_replica_is_gone_and_may_be_stopped_and_started_again(bench: Bench) -> None:
    spec = bench.spec()
    await bench.workloads.start(spec)
    await bench.until(spec)
    for _ in range(2):
        await bench.workloads.stop(spec.key)
        assert bench.workloads.states() == []
    await bench.workloads.start(spec)
    await bench.until(spec)


async def test_a_model_that_cannot_be_loaded_fails_with_the_reason(bench: Bench) -> None:
    spec = bench.spec(BROKEN)
    await bench.workloads.start(spec)
    state = await bench.until(spec, failed=True)
    assert (state.ready, state.endpoint) == (False, None)
    assert "model" in (state.failure or "")


async def test_the_server_answers_by_the_name_of_the_serving_and_the_tag(here: Bench) -> None:
    await here.workloads.start(here.spec())
    endpoint = (await here.until(here.spec())).endpoint
    assert endpoint is not None
    url = f"http://{endpoint.host}:{endpoint.port}/v2/models/iris"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        body = await response.json()
    assert (body["name"], body["versions"]) == ("iris", ["v1"])


async def test_the_next_deployer_finds_what_runs_and_adopts_it(here: Bench, tmp_path: Path) -> None:
    spec = here.spec()
    await here.workloads.start(spec)
    before = await here.until(spec)
    [process] = servers()
    assert isinstance(here.workloads, LocalWorkloads)
    await here.workloads.abandon()

    here.workloads = local(tmp_path)
    assert here.workloads.states() == [ReplicaState(spec.key)]
    await here.workloads.start(spec)
    assert await here.until(spec) == before
    assert servers() == [process]
    await here.workloads.close()
    assert servers() == []


async def test_the_next_deployer_stops_what_it_does_not_want(here: Bench, tmp_path: Path) -> None:
    spec = here.spec()
    await here.workloads.start(spec)
    await here.until(spec)
    assert isinstance(here.workloads, LocalWorkloads)
    await here.workloads.abandon()

    here.workloads = local(tmp_path)
    await here.workloads.stop(spec.key)
    assert (here.workloads.states(), servers()) == ([], [])
    assert files(tmp_path / "workloads") == []


async def test_a_server_that_nobody_wrote_down_is_ended(here: Bench, tmp_path: Path) -> None:
    spec = here.spec()
    await here.workloads.start(spec)
    await here.until(spec)
    assert isinstance(here.workloads, LocalWorkloads)
    await here.workloads.abandon()
    [record] = files(tmp_path / "workloads", "*.json")
    record.unlink()
    task = asyncio.create_task(local(tmp_path).run())

    async def none_is_left() -> bool:
        return servers() == []

    assert await eventually(none_is_left)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_killed_server_is_started_again_at_the_same_endpoint(here: Bench) -> None:
    spec = here.spec()
    await here.workloads.start(spec)
    before = await here.until(spec)
    await here.workloads.changed()
    [process] = servers()
    process.kill()
    assert await here.workloads.changed() == {IRIS}
    assert await here.until(spec) == replace(before, restarts=1)
    assert servers() != [process]


async def test_the_reason_of_a_failure_is_the_end_of_the_log_said_once(here: Bench, tmp_path: Path) -> None:
    spec = here.spec(BROKEN)
    await here.workloads.start(spec)
    state = await here.until(spec, failed=True)
    [log] = files(tmp_path / "workloads", "*.log")
    assert log.read_text().splitlines()[-1].removeprefix("kleverserve: ") in (state.failure or "")
    assert (state.failure or "").count("cannot load the model") == 1


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


async def test_a_server_of_ones_own_finds_port_model_and_variables_and_no_secret(here: Bench) -> None:
    spec = here.custom(SERVER, env={"GREETING": "hello"})
    await here.workloads.start(spec)
    state = await here.until(spec)
    assert state.endpoint is not None
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{state.endpoint.port}/up") as answer:
        told = ast.literal_eval(await answer.text())
    model = spec.prepared.model.directory
    assert told == ["iris", str(model), str(model / "model"), "iris", "hello", None]
    assert state.runtime == CUSTOM


async def test_a_command_that_cannot_be_run_says_so(here: Bench) -> None:
    own = variant("v1", custom=Custom(command=("/no/such/program",)))
    spec = ReplicaSpec(key("v1"), here.custom(SERVER).prepared, own)
    await here.workloads.start(spec)
    state = await here.until(spec, failed=True)
    assert state.failure == "/no/such/program cannot be run: No such file or directory"


async def test_a_server_that_uses_more_memory_than_its_limit_is_ended_and_says_so(here: Bench) -> None:
    greedy = SERVER.replace("import http", "hoard = bytearray(200_000_000); import http")
    spec = here.custom(greedy, resources=Resources(memory="100Mi"))
    await here.workloads.start(spec)
    state = await here.until(spec, failed=True)
    assert "of memory, its limit is 104857600" in (state.failure or "")
    assert state.restarts >= 3


async def test_a_server_runs_on_as_many_cores_as_it_may(here: Bench) -> None:
    spec = here.custom(SERVER, resources=Resources(cpu="500m"))
    await here.workloads.start(spec)
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
def test_what_processes_of_this_machine_cannot_be_is_refused(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    workloads = local(tmp_path)
    assert complaint in (workloads.refusal("default", variant("v1", **changes)) or "")
    assert workloads.refusal("default", variant("v1")) is None


def custom_servers() -> list[psutil.Process]:
    """The servers of one's own that were started from here and run."""
    return [p for p in psutil.Process().children() if is_running(p) and "-c" in p.cmdline()]


async def test_a_server_that_hangs_is_not_ready_within_two_seconds_and_is_ready_once_it_answers(here: Bench) -> None:
    spec = here.custom(SERVER)
    await here.workloads.start(spec)
    before = await here.until(spec)
    await here.workloads.changed()
    [process] = custom_servers()
    process.suspend()
    began = monotonic()
    assert await here.workloads.changed() == {IRIS}
    assert monotonic() - began < 2.0
    assert here.workloads.states() == [replace(before, ready=False)]
    process.resume()
    assert await here.until(spec) == before
    assert custom_servers() == [process]


UNREADY = SERVER.replace("self.path ==", "not os.path.exists(os.environ['UNREADY']) and self.path ==")


async def test_a_server_that_says_so_itself_is_not_ready(here: Bench, tmp_path: Path) -> None:
    switch = tmp_path / "unready"
    spec = here.custom(UNREADY, env={"UNREADY": str(switch)})
    await here.workloads.start(spec)
    before = await here.until(spec)
    await here.workloads.changed()
    switch.touch()
    assert await here.workloads.changed() == {IRIS}
    assert here.workloads.states() == [replace(before, ready=False)]
    switch.unlink()
    assert await here.until(spec) == before


STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER


async def test_a_start_that_is_superseded_while_it_waits_for_an_ending_leaves_no_server(here: Bench) -> None:
    """Undeployed, deployed and undeployed again, each before the one before is through."""
    spec = here.custom(STUBBORN)
    await here.workloads.start(spec)
    await here.until(spec)
    for change in (here.workloads.stop(spec.key), here.workloads.start(spec)):
        task = asyncio.create_task(change)
        await asyncio.wait({task}, timeout=0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await here.workloads.stop(spec.key)
    assert (here.workloads.states(), custom_servers()) == ([], [])


async def test_starts_that_wait_for_the_same_ending_start_one_server(here: Bench) -> None:
    spec = here.custom(SERVER)
    await here.workloads.start(spec)
    await here.until(spec)
    stop = asyncio.create_task(here.workloads.stop(spec.key))
    await asyncio.wait({stop}, timeout=0)
    await asyncio.gather(stop, here.workloads.start(spec), here.workloads.start(spec))
    await here.until(spec)
    assert len(custom_servers()) == 1


async def test_an_ending_that_is_over_is_no_longer_waited_for(here: Bench) -> None:
    """One that were still listed then would be awaited without ever suspending, by a start in the same turn."""
    workloads = here.workloads
    assert isinstance(workloads, LocalWorkloads)
    spec = here.custom(SERVER)
    await workloads.start(spec)
    await here.until(spec)
    stop = asyncio.create_task(workloads.stop(spec.key))
    while not stop.done():
        assert not [ending for ending in workloads._stopping.values() if ending.done()]
        await others(1)


async def test_nothing_is_started_once_the_platform_stops(here: Bench) -> None:
    assert isinstance(here.workloads, LocalWorkloads)
    await here.workloads.close()
    await here.workloads.start(here.custom(SERVER))
    assert here.workloads.states() == []


async def test_an_adopted_server_keeps_its_requests_until_it_is_known_whether_it_is_ready(
    here: Bench, tmp_path: Path
) -> None:
    spec = here.spec()
    await here.workloads.start(spec)
    before = await here.until(spec)
    assert isinstance(here.workloads, LocalWorkloads)
    await here.workloads.abandon()
    here.workloads = local(tmp_path)
    await here.workloads.start(spec)
    assert here.workloads.states() == [replace(before, ready=False)]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "no JSON"])
async def test_the_server_of_a_record_that_cannot_be_read_is_ended_and_another_is_started(
    here: Bench, tmp_path: Path, text: str
) -> None:
    spec = here.custom(SERVER)
    await here.workloads.start(spec)
    await here.until(spec)
    [process] = custom_servers()
    assert isinstance(here.workloads, LocalWorkloads)
    await here.workloads.abandon()
    [record] = files(tmp_path / "workloads", "*.json")
    record.write_text(text)

    here.workloads = successor = local(tmp_path)
    task = asyncio.create_task(successor.run())
    await successor.start(spec)
    await here.until(spec)

    async def is_replaced() -> bool:
        return len(custom_servers()) == 1 and custom_servers() != [process]

    await eventually(is_replaced)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_process_that_got_the_id_of_a_server_is_neither_adopted_nor_ended(
    here: Bench, tmp_path: Path
) -> None:
    spec = here.custom(SERVER)
    await here.workloads.start(spec)
    await here.until(spec)
    [server] = custom_servers()
    assert isinstance(here.workloads, LocalWorkloads)
    await here.workloads.abandon()
    [record] = files(tmp_path / "workloads", "*.json")
    bystander = await asyncio.create_subprocess_exec("sleep", "600")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"pid": bystander.pid}))

    here.workloads = local(tmp_path)
    await here.workloads.start(spec)
    await here.until(spec)
    await here.workloads.stop(spec.key)
    assert bystander.returncode is None
    bystander.kill()
    await bystander.wait()
    server.kill()


async def test_a_server_whose_record_cannot_be_written_serves_and_is_recorded_once_there_is_space(
    here: Bench, tmp_path: Path
) -> None:
    spec = here.custom(SERVER)
    in_the_way = tmp_path / "workloads" / "replicas" / f"{spec.key.id}.json"
    in_the_way.mkdir(parents=True)
    await here.workloads.start(spec)
    assert (await here.until(spec)).restarts == 0
    assert files(tmp_path / "workloads", "*.json") == []
    in_the_way.rmdir()

    async def is_recorded() -> bool:
        return len(files(tmp_path / "workloads", "*.json")) == 1

    await eventually(is_recorded)
    assert len(custom_servers()) == 1


async def test_a_replica_that_cannot_be_started_at_all_says_why_and_is_tried_on(here: Bench, tmp_path: Path) -> None:
    spec = here.custom(SERVER)
    in_the_way = tmp_path / "workloads" / "logs"
    in_the_way.parent.mkdir()
    in_the_way.touch()  # no log can be written there
    await here.workloads.start(spec)
    state = await here.until(spec, failed=True)
    assert "it cannot be started: " in (state.failure or "")
    in_the_way.unlink()
    assert (await here.until(spec)).failure is None


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


async def test_a_server_of_ones_own_that_fails_on_its_own_sample_is_never_ready(here: Bench) -> None:
    await here.workloads.start(here.custom(DESCRIBED, env={"ANSWER": "500"}))
    state = await here.until(here.custom(DESCRIBED), failed=True)
    assert not state.ready
    assert "it answers a small sample with 500" in (state.failure or "")


async def test_a_server_of_ones_own_that_answers_its_own_sample_is_ready(here: Bench) -> None:
    await here.workloads.start(here.custom(DESCRIBED, env={"ANSWER": "200"}))
    assert (await here.until(here.custom(DESCRIBED))).ready


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
"""A server that forgets its model when it is asked to, and never loads it again."""


async def test_a_server_whose_model_is_gone_is_started_again(here: Bench) -> None:
    spec = here.custom(UNLOADS)
    await here.workloads.start(spec)
    endpoint = (await here.until(spec)).endpoint
    assert endpoint is not None
    async with aiohttp.ClientSession() as session:
        await (await session.post(f"http://{endpoint.host}:{endpoint.port}/unload")).read()

    async def is_back() -> bool:
        [state] = here.workloads.states()
        return state.ready and state.restarts == 1

    assert await eventually(is_back, within=30)
