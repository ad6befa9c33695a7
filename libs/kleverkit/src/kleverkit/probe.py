"""The health check of containers: exits 0 if the service is ready, else prints its problems and exits 1.

`python -m kleverkit.probe PORT`. Containers have no curl, and this starts in milliseconds: it imports the standard
library only.
"""

import http.client
import sys
from http import HTTPStatus

HOST = "127.0.0.1"
PATH = "/readyz"
SECONDS = 4.0


def problem(port: int) -> str | None:
    """Return the reason why the service on a port of this machine is not ready, or None."""
    connection = http.client.HTTPConnection(HOST, port, timeout=SECONDS)
    try:
        connection.request("GET", PATH)
        response = connection.getresponse()
        body = response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"{PATH} on port {port} does not respond: {error}"
    finally:
        connection.close()
    return None if response.status == HTTPStatus.OK else body


if __name__ == "__main__":
    sys.exit(problem(int(sys.argv[1])))
