"""MLServer's gRPC server without management of models, for clients with the key."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc  # type: ignore[import-untyped]  # only in its toolchain
from grpc import aio
from mlserver.grpc.dataplane_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from mlserver.grpc.server import GRPCServer
from mlserver.grpc.servicers import InferenceServicer

from kleverserve.access import HEADER, REFUSAL, Access
from kleverserve.client_paths import CLOSED, is_client_call

Handler = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]


class ClientsServer(GRPCServer):
    """Serves the inference protocol without repository calls, and without MLServer's ModelRepositoryService.

    Args:
        server: the server that this one replaces.
        access: authentication of callers.
    """

    def __init__(self, server: GRPCServer, access: Access) -> None:
        super().__init__(server._settings, server._data_plane, server._model_repository_handlers)  # noqa: SLF001
        self._access = access

    def _create_server(self) -> aio.Server:
        self._server = aio.server(interceptors=[Guard(self._access)], options=self._get_options())
        servicer = InferenceServicer(self._data_plane, self._model_repository_handlers)
        add_GRPCInferenceServiceServicer_to_server(servicer, self._server)
        self._server.add_insecure_port(f"{self._settings.host}:{self._settings.grpc_port}")
        return self._server


class Guard(aio.ServerInterceptor):
    """Rejects calls that are not for clients, and callers without the key."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def intercept_service(self, continuation: Handler, details: grpc.HandlerCallDetails) -> Any:
        """See `grpc.aio.ServerInterceptor`."""
        if not is_client_call(details.method):
            return _refusing(grpc.StatusCode.UNIMPLEMENTED, CLOSED)
        key = next((value for name, value in details.invocation_metadata if name == HEADER), None)
        if not self._access.allows_call(details.method, key if isinstance(key, str) else None):
            return _refusing(grpc.StatusCode.PERMISSION_DENIED, REFUSAL)
        return await continuation(details)


def _refusing(code: grpc.StatusCode, why: str) -> grpc.RpcMethodHandler:
    async def refuse(_request: Any, context: aio.ServicerContext) -> None:
        await context.abort(code, why)

    return grpc.unary_unary_rpc_method_handler(refuse)
