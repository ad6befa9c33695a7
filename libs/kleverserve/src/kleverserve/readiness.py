"""Checks the readiness of a V2 server on this machine."""

import urllib.error
import urllib.request
from http import HTTPStatus


def is_ready(host: str, port: int, model: str) -> bool:
    """Return whether the model's readiness endpoint responds with 200."""
    url = f"http://{host}:{port}/v2/models/{model}/ready"
    # No proxy, because the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=1) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False
