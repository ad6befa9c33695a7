"""The paths and calls of a model server that clients of its model may use: the protocols' own, never its management.

Repository calls (load, unload), shared memory, logging and trace settings of Triton and MLServer are not among them.
The ingress forwards these paths only, and the servers accept no others. A path is matched as a whole.
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
"""Expressions in the syntax of RE2: the Open Inference Protocol with the read-only parts of Triton's extensions,
OpenScoring, and MLflow's scoring paths."""
CALLS = (
    *("ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata"),
    *("ModelInfer", "ModelStreamInfer", "ModelConfig", "ModelStatistics"),
)
"""Of GRPC_SERVICE."""
GRPC_SERVICE = "/inference.GRPCInferenceService/"
CLOSED = "this path is not for clients of the model"
_PATH = re.compile("|".join(PATHS))
_METHODS = frozenset(GRPC_SERVICE + call for call in CALLS)


def is_client_path(path: str) -> bool:
    """Whether clients may use a path, which is without its query and as it was sent."""
    return _PATH.fullmatch(path) is not None


def is_client_call(method: str) -> bool:
    """Whether clients may use a method of gRPC, such as `/inference.GRPCInferenceService/ModelInfer`."""
    return method in _METHODS
