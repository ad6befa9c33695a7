"""Prints the shell commands that log a machine in to a platform whose services run in containers.

`python -m klever.platform.container_login URL REGISTRY`: the URL of the gateway, and host:port of the registry.
"""

import shlex
import sys

from kleverproto.accounts import PLATFORM_ACCOUNT

from .home import Home


def commands(home: Home, gateway: str, registry: str) -> str:
    """Return the commands. Raises OSError: the home has no credentials yet."""
    token, password = (path.read_text().strip() for path in (home.token, home.registry_password))
    login = ["ormb", "login", registry, "--username", PLATFORM_ACCOUNT, "--password-stdin"]
    return (
        f"export KLEVER_SERVER={shlex.quote(gateway)} KLEVER_TOKEN={shlex.quote(token)}\n"
        f"printf '%s\\n' {shlex.quote(password)} | {shlex.join(login)}\n"
    )


if __name__ == "__main__":
    try:
        sys.stdout.write(commands(Home.default(), *sys.argv[1:]))
    except OSError as error:
        sys.exit(
            f"the credentials cannot be read: {error}; start the platform first: docker compose up --detach --wait"
        )
