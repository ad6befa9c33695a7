"""What of a model server clients reach through the ingress: the protocols' own paths, never its management.

Triton's and MLServer's repository calls (load, unload), shared memory, logging and trace settings are reached by
nobody. A path is matched as a whole, after Envoy has normalised it, so that no encoding, doubled slash or parameter
names another.
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
"""The Open Inference Protocol with the read-only parts of Triton's extensions, OpenScoring, MLflow's scoring paths."""
CALLS = (
    *("ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata"),
    *("ModelInfer", "ModelStreamInfer", "ModelConfig", "ModelStatistics"),
)
"""Of `inference.GRPCInferenceService`."""
QUERY = r"(?:\?.*)?"


def http_expression(prefix: str) -> str:
    """What a request's target has to match as a whole to reach a model server, in RE2's syntax.

    Args:
        prefix: an expression for what stands before a model server's own path.
    """
    return rf"{prefix}(?:{'|'.join(PATHS)}){QUERY}"


def grpc_expression(service: str) -> str:
    """What the path of a call has to match as a whole.

    Args:
        service: the path of the service, with the slash after it.
    """
    return rf"{re.escape(service)}(?:{'|'.join(CALLS)}){QUERY}"
