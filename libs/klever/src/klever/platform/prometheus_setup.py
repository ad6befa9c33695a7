"""Prepares a Prometheus that scrapes the platform (`klever up --observe`)."""

import shutil

import bcrypt
import yaml

from klever.errors import PlatformError
from klever.observability import consoles, prometheus
from klever.observability.boards import DASHBOARDS

from .home import Home
from .own_secrets import provide_secret
from .plan import Ports, service_addresses
from .serving_place import LOCAL, ServingPlace

USER = "klever"
"""The user of Prometheus's HTTP API; the password is the platform's token."""
BCRYPT_ROUNDS = 10
"""Prometheus verifies the password with each request; the token is random, so that more rounds add nothing."""


def find_prometheus() -> str:
    """Return the path of Prometheus. Raises PlatformError."""
    program = shutil.which("prometheus")
    if program is None:
        raise PlatformError(
            "prometheus is not installed: install it (Debian and Ubuntu: `apt install prometheus`), or start the "
            "platform without --observe"
        )
    return program


def write_files(home: Home, ports: Ports, place: ServingPlace) -> None:
    """Write the configuration, the login, the rules and the pages of Prometheus.

    Args:
        home: the home of the platform.
        ports: its ports; none is 0.
        place: where servings run; on a cluster, the deployer runs no Envoy.

    Raises:
        PlatformError: the file with the token can be read by others.
        OSError: a file cannot be written.
    """
    provide_secret(home.token)
    files = home.prometheus_files
    files.consoles.mkdir(parents=True, exist_ok=True)
    targets = service_addresses(ports)
    has_ingress = place.backend == LOCAL
    files.config.write_text(prometheus.configuration(targets, home.token, files.rules, has_ingress=has_ingress))
    files.rules.write_text(prometheus.rules())
    password = bcrypt.hashpw(home.token.read_text().strip().encode(), bcrypt.gensalt(BCRYPT_ROUNDS)).decode()
    files.web_config.write_text(yaml.safe_dump({"basic_auth_users": {USER: password}}))
    for dashboard in DASHBOARDS:
        (files.consoles / f"{dashboard.name}.html").write_text(consoles.page(dashboard, DASHBOARDS))
