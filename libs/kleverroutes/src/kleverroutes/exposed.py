"""Regular expressions for the requests that the ingress forwards to model servers, in the syntax of RE2.

A path is matched as a whole, after Envoy has normalised it, so that no encoding, doubled slash or parameter gives
access to another.
"""

import re

from kleverserve.client_paths import CALLS, PATHS

QUERY = r"(?:\?.*)?"


def http_expression(prefix: str) -> str:
    """The request targets that reach a model server.

    Args:
        prefix: an expression for the part before a model server's own path.
    """
    return rf"{prefix}(?:{'|'.join(PATHS)}){QUERY}"


def grpc_expression(service: str) -> str:
    """The paths of calls that reach a model server.

    Args:
        service: the path of the service, with the slash after it.
    """
    return rf"{re.escape(service)}(?:{'|'.join(CALLS)}){QUERY}"
