"""The paths and gRPC methods that clients of a model may use: those of the protocols, without management.

Repository calls (load, unload), shared memory, logging and trace settings of Triton and MLServer are excluded. The
ingress forwards only these paths, and the servers accept no others. A path is matched as a whole.
"""

import re

NAME = r"[A-Za-z0-9._~-]+"
MODEL = rf"/v2/models/{NAME}(?:/versions/{NAME})?"
PATHS = (
    r"/v2/?",
    r"/v2/health/(?:live|ready)",
    rf"{MODEL}(?:/(?:infer|ready|config|stats))?",
    rf"/openscoring/model(?:/{NAME}(?:/(?:batch|csv))?)?",
    r"/(?:invocations|ping)",
)
"""RE2 expressions: the Open Inference Protocol with the read-only parts of Triton's extensions, OpenScoring, and
MLflow's scoring paths.
"""
CALLS = (
    *("ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata"),
    *("ModelInfer", "ModelStreamInfer", "ModelConfig", "ModelStatistics"),
)
"""Methods of GRPC_SERVICE."""
GRPC_SERVICE = "/inference.GRPCInferenceService/"
CLOSED = "this path is not for clients of the model"
_PATH = re.compile("|".join(PATHS))
_METHODS = frozenset(GRPC_SERVICE + call for call in CALLS)


def is_client_path(path: str) -> bool:
    """Return whether clients may use a path. The path must be as it was sent, without its query."""
    return _PATH.fullmatch(path) is not None


def is_client_call(method: str) -> bool:
    """Return whether clients may use a gRPC method such as `/inference.GRPCInferenceService/ModelInfer`."""
    return method in _METHODS
