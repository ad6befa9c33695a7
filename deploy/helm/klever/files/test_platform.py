"""Test of an installed platform, which `helm test` runs: each service is ready, and the gateway accepts the token."""

import json
import os
import sys
import time
import urllib.request
from pathlib import Path

SECONDS = float(os.environ.get("KLEVER_TEST_SECONDS", "120"))
"""Time for all services to become ready."""
TOKEN = Path(os.environ.get("KLEVER_TOKEN_FILE", "/etc/klever/token"))


def main(gateway: str, *services: str) -> None:
    """Wait for the services, and read the description of the platform.

    Args:
        gateway: URL of the gateway.
        services: URLs of the other services.
    """
    deadline = time.monotonic() + SECONDS
    for url in (gateway, *services):
        while problem := _problem(f"{url}/readyz"):
            if time.monotonic() > deadline:
                sys.exit(f"{url} is not ready: {problem}")
            time.sleep(1)
        print(f"{url} is ready")
    description = json.loads(_read(f"{gateway}/api/v1alpha1/platform", TOKEN.read_text().strip()))
    print(json.dumps(description, indent=1))


def _problem(url: str) -> str | None:
    try:
        _read(url)
    except OSError as error:
        body = error.read().decode(errors="replace") if isinstance(error, urllib.request.HTTPError) else ""
        return f"{error} {body}".strip()
    return None


def _read(url: str, token: str = "") -> bytes:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as response:  # noqa: S310
        return bytes(response.read())


if __name__ == "__main__":
    main(*sys.argv[1:])
