"""The access of another local process to the ports of a model server, past the ingress."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kleverserve.access import HEADER, VARIABLE
from kleverserve.triton.closing import UNSENDABLE
from support.processes import free_port
from support.raw_http import exchange, head
from support.serving_runtimes import HOST, MODEL, Runtime, Served, run_program, toolchain_python
from support.v2_client import tensor

pytestmark = pytest.mark.timeout(300)

KEY = "a key of a serving"
TRITONS_HEADER = "triton-grpc-protocol-klever-closed"
SERVICE = "/inference.GRPCInferenceService"
CALLS_OF_CLIENTS = [f"{SERVICE}/{name}" for name in ("ServerLive", "ServerReady", "ModelReady", "ModelMetadata")]
MANAGING_CALLS = [
    *(f"{SERVICE}/{name}" for name in ("RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload")),
    *(f"{SERVICE}/SystemSharedMemory{name}" for name in ("Status", "Register", "Unregister")),
    *(f"{SERVICE}/CudaSharedMemory{name}" for name in ("Status", "Register", "Unregister")),
    *(f"{SERVICE}/{name}" for name in ("TraceSetting", "LogSettings")),
    *(
        f"/inference.model_repository.ModelRepositoryService/{name}"
        for name in ("RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload")
    ),
]
MANAGING_PATHS = [
    *("/v2/repository/index", f"/v2/repository/models/{MODEL}/load", f"/v2/repository/models/{MODEL}/unload"),
    *("/v2/systemsharedmemory/status", "/v2/systemsharedmemory/region/x/register", "/v2/systemsharedmemory/unregister"),
    *("/v2/cudasharedmemory/status", "/v2/cudasharedmemory/unregister", "/v2/logging", "/v2/trace/setting"),
    *(f"/v2/models/{MODEL}/trace/setting", "/v2/docs", "/v2/docs/dataplane.json", f"/v2/models/{MODEL}/docs"),
    *("/openapi.json", "/v2/%72epository/index", "//v2/repository/index", "/v2/models/../repository/index"),
]
TRITONS_PATHS = [
    *("/v2/repository/index", f"/v2/repository/models/{MODEL}/load", f"/v2/repository/models/{MODEL}/unload"),
    *("/v2/systemsharedmemory/region/x/register", "/v2/systemsharedmemory/unregister"),
    *("/v2/cudasharedmemory/region/x/register", "/v2/cudasharedmemory/unregister"),
    *("/v2/logging", "/v2/trace/setting", f"/v2/models/{MODEL}/trace/setting"),
]
SPEAKING_GRPC = pytest.mark.parametrize(
    "runtime", ["kleverserve.triton", "kleverserve.mlserver"], indirect=True, scope="module"
)
MLSERVER = pytest.mark.parametrize("runtime", ["kleverserve.mlserver"], indirect=True, scope="module")
ROW = {"inputs": [tensor("input", "FP64", [1, 1], [5.0])]}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module", params=["kleverserve", "kleverserve.triton", "kleverserve.mlserver"])
def runtime(request: pytest.FixtureRequest, logs: Path) -> Runtime:
    toolchain = {"kleverserve": "sklearn"}.get(request.param, request.param.rpartition(".")[2])
    python, has_grpc = toolchain_python(toolchain), request.param != "kleverserve"
    return Runtime(request.param, python, logs, {"TMPDIR": str(logs), VARIABLE: KEY}, has_grpc=has_grpc)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that all of them serve."""
    directory = tmp_path_factory.mktemp("models")
    run_program(toolchain_python("sklearn"), "tried_models", directory)
    return directory / "choosy"


@pytest.fixture(scope="module")
def served(runtime: Runtime, model: Path) -> Iterator[Served]:
    with runtime.serving(model, "SKLearn") as one:
        yield one


async def status_of(url: str, method: str = "GET", key: str | None = None, document: Any = None) -> int:
    headers, body = {HEADER: key} if key else {}, (document or {}) if method == "POST" else None
    async with aiohttp.ClientSession() as session, session.request(method, url, json=body, headers=headers) as response:
        return response.status


def codes(served: Served, metadata: dict[str, str], *methods: str) -> dict[str, str]:
    """The status code of each call."""
    arguments = (f"{HOST}:{served.grpc_port}", MODEL, json.dumps(metadata), *methods)
    answered: dict[str, str] = json.loads(run_program(served.python, "grpc_calls", *arguments))
    return answered


@pytest.mark.parametrize("key", [KEY, None])
async def test_a_model_server_cannot_be_managed_over_http(served: Served, key: str | None) -> None:
    statuses = {
        (path, method): await status_of(f"http://{HOST}:{served.port}{path}", method, key)
        for path in MANAGING_PATHS
        for method in ("GET", "POST")
    }
    assert {each: status for each, status in statuses.items() if status not in {403, 404}} == {}
    assert await status_of(f"{served.url}/ready") == 200


@SPEAKING_GRPC
@pytest.mark.parametrize("more", [{}, {HEADER: KEY}, {HEADER: KEY, TRITONS_HEADER: UNSENDABLE}], ids=len)
def test_a_model_server_cannot_be_managed_over_grpc(served: Served, more: dict[str, str]) -> None:
    refused = {"UNIMPLEMENTED", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "PERMISSION_DENIED"}
    answered = codes(served, more, *MANAGING_CALLS)
    assert {method: code for method, code in answered.items() if code not in refused} == {}
    assert codes(served, {HEADER: KEY}, *CALLS_OF_CLIENTS) == dict.fromkeys(CALLS_OF_CLIENTS, "OK")


@pytest.fixture(scope="module")
def inner_port(model: Path, logs: Path) -> Iterator[int]:
    """The port of Triton itself, behind its launcher."""
    port = free_port()
    triton = Runtime("kleverserve.triton", toolchain_python("triton"), logs, {"TMPDIR": str(logs), VARIABLE: KEY})
    with triton.serving(model, "SKLearn", "--inner-port", str(port)):
        yield port


async def refusal(port: int, method: str, path: str, *headers: tuple[str, str]) -> int | None:
    """The status of Triton's answer, or None if it closes the connection."""
    try:
        return (await exchange(f"http://{HOST}:{port}", head(method, path, ("Content-Length", "0"), *headers))).status
    except (ConnectionError, EOFError):
        return None


@pytest.mark.parametrize("size", [0, 1, 7000, len(UNSENDABLE)])
async def test_triton_cannot_be_managed_behind_its_launcher(inner_port: int, size: int) -> None:
    """Knowing the value from Triton's arguments does not help: a header of that length closes the connection."""
    headers = [("klever-closed", UNSENDABLE[:size])] if size else []
    answers = {path: await refusal(inner_port, "POST", path, *headers) for path in TRITONS_PATHS}
    assert set(answers.values()) == ({403} if size < len(UNSENDABLE) else {None}), answers


async def test_only_the_holder_of_the_key_uses_the_model(served: Served) -> None:
    keys = (None, "another", KEY)
    assert [await status_of(f"{served.url}/infer", "POST", key, ROW) for key in keys] == [403, 403, 200]
    assert [await status_of(served.url, key=key) for key in keys] == [403, 403, 200]


async def test_readiness_needs_no_key(served: Served) -> None:
    base = f"http://{HOST}:{served.port}/v2"
    paths = ("health/live", "health/ready", f"models/{MODEL}/ready")
    assert [await status_of(f"{base}/{path}") for path in paths] == [200, 200, 200]


@MLSERVER  # Triton's own gRPC port cannot ask for a secret
def test_only_the_holder_of_the_key_calls_mlserver(served: Served) -> None:
    for metadata in ({}, {HEADER: "another"}):
        answered = codes(served, metadata, *CALLS_OF_CLIENTS)
        assert answered.pop(f"{SERVICE}/ModelMetadata") == "PERMISSION_DENIED"
        assert set(answered.values()) == {"OK"}


async def test_no_child_inherits_the_key(served: Served) -> None:
    for process in served.family()[1:]:
        assert VARIABLE not in process.environ()
    assert not any(KEY in word for process in served.family() for word in process.cmdline())
