"""The paths of a serving at the ingress."""

from .versions import ServingName

INGRESS = "/seldon/"


def path_prefix(serving: ServingName) -> str:
    """The prefix of a serving's paths, which the ingress removes before it forwards a request."""
    return f"{INGRESS}{serving.namespace}/{serving.name}/"


def infer_url(ingress: str, serving: ServingName) -> str:
    """The V2 endpoint through the ingress; the same path as with Seldon Core and Istio."""
    return f"{ingress}{path_prefix(serving)}v2/models/{serving.name}/infer"
