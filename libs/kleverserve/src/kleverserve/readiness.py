"""Whether a V2 server, on this machine, takes requests for a model."""

import urllib.error
import urllib.request
from http import HTTPStatus


def is_ready(host: str, port: int, model: str) -> bool:
    """Whether the model's readiness answers 200."""
    url = f"http://{host}:{port}/v2/models/{model}/ready"
    # No proxy: the server is here, whatever the environment says.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=1) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False
