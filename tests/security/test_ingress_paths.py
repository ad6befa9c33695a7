"""The parts of a model server that its clients cannot reach through a real Envoy: its management."""

from dataclasses import replace
from urllib.parse import urlsplit

from support.data_planes import Bench, Upstream, changed, route, route_to
from support.deployer import IRIS
from support.dying_servers import GrpcServer
from support.raw_http import Answer, exchange, head

PREFIX = "/seldon/default/iris"
CLOSED = [
    *("/v2/repository/index", "/v2/repository/models/iris/unload", "/v2/repository/models/iris/load"),
    *("/v2/systemsharedmemory/status", "/v2/systemsharedmemory/region/x/register", "/v2/cudasharedmemory/status"),
    *("/v2/logging", "/v2/trace/setting", "/v2/models/iris/trace/setting", "/v2/docs", "/metrics", "/"),
    "/inference.GRPCInferenceService/RepositoryModelUnload",
    # Other spellings of the same path.
    *("//v2/repository/index", "/v2//repository/index", "/v2/./repository/index", "/v2/repository/index/"),
    *("/v2/models/../repository/index", "/v2/models/%2e%2e/repository/index", "/v2/models/iris/../../repository/index"),
    *("/v2/models/iris%2f..%2f..%2frepository/index", "/v2/models/iris/..;/repository/index", "/v2/%72epository/index"),
    *(
        "/v2/models/iris/infer/../../../repository/index",
        "/V2/repository/index",
        "/v2/repository/index?/v2/models/iris",
    ),
    *(
        "/v2/models/iris\\..\\..\\repository/index",
        "/v2/models/iris%5c..%5crepository/index",
        "/v2/models/iris%00/infer",
    ),
    *("/v2/models/iris/infer;/repository", "/v2/repository/index#/v2", "/v2/models/iris/infer%0a/repository"),
]
OPEN = [
    *(
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/iris",
        "/v2/models/iris/ready",
        "/v2/models/iris/infer",
    ),
    *("/v2/models/iris/versions/v1.2_3/infer", "/v2/models/iris/infer?trace=/v2/repository", "/v2/models/iris/stats"),
    *("/openscoring/model", "/openscoring/model/iris/batch", "/invocations", "/v2/x/../models/iris"),
]


async def ask(bench: Bench, path: str, method: str = "GET") -> Answer:
    where = urlsplit(bench.urls(IRIS, "") or "")
    return await exchange(f"http://{where.netloc}", head(method, f"{PREFIX}{path}", ("Content-Length", "0")))


async def test_management_paths_never_reach_a_model_server_in_any_spelling(envoy: Bench, upstream: Upstream) -> None:
    own = route((upstream, 100))
    await envoy.data_plane.apply(changed(own, versions=tuple(replace(v, custom=False) for v in own.route.versions)))
    answers = [await ask(envoy, path, method) for path in CLOSED for method in ("GET", "POST")]
    assert {answer.status for answer in answers} <= {400, 404}
    assert upstream.answered == 0
    assert [path for path in OPEN if (await ask(envoy, path)).status != 200] == []


GRPC = (("content-type", "application/grpc"), ("te", "trailers"), ("seldon", "iris"), ("namespace", "default"))
MANAGING_CALLS = [
    *("RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload", "SystemSharedMemoryRegister", "LogSettings"),
    *("TraceSetting", "CudaSharedMemoryRegister", "ModelInfer/../RepositoryModelUnload", "%52epositoryModelUnload"),
    *("RepositoryModelUnload?ModelInfer", "modelinfer", ""),
]


async def call(bench: Bench, name: str) -> Answer:
    """Make a gRPC call, which Envoy accepts over HTTP/1.1 too."""
    where, body = urlsplit(bench.urls(IRIS, "") or ""), b"\0\0\0\0\1x"
    headers = (*GRPC, ("Content-Length", str(len(body))))
    path = f"/inference.GRPCInferenceService/{name}"
    return await exchange(f"http://{where.netloc}", head("POST", path, *headers) + body)


async def test_management_calls_over_grpc_never_reach_a_model_server(envoy: Bench) -> None:
    server = GrpcServer("v1")
    await envoy.data_plane.apply(route_to(await server.start()))
    refused = [(await call(envoy, name)).header("grpc-status") for name in MANAGING_CALLS]
    before = server.requests
    served = await call(envoy, "ModelInfer")
    server.close()
    assert (set(refused), before, server.requests, served.status) == ({"12"}, 0, 1, 200)


async def test_a_custom_server_keeps_its_paths(envoy: Bench, upstream: Upstream) -> None:
    await envoy.data_plane.apply(route((upstream, 100)))
    assert (await ask(envoy, "/any/path")).status == 200


async def test_a_refusal_gives_the_reason(envoy: Bench, upstream: Upstream) -> None:
    own = route((upstream, 100))
    await envoy.data_plane.apply(changed(own, versions=tuple(replace(v, custom=False) for v in own.route.versions)))
    refused = await ask(envoy, "/v2/repository/index")
    assert refused.document == {"error": "this path is not for clients of the model"}
