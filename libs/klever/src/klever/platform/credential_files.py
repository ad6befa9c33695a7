"""Writes the credentials of a platform whose services run in containers: a directory for each, with its own only.

`python -m klever.platform.credential_files DIRECTORY` creates what is missing in the home, and distributes it.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from klever.errors import PlatformError
from kleverkit.durable import replace_file
from kleverproto.streams import TOPOLOGY

from .home import Home
from .nats_access import NatsAccess
from .own_secrets import provide_secret
from .plan import DEPLOYER, GATEWAY, JOBRUNNER, NATS, PROMETHEUS, REGISTRY

GRAFANA = "grafana"


def recipients(home: Home) -> Mapping[str, Sequence[Path]]:
    """Return the files for each recipient, by the name of its directory."""
    services = {
        TOPOLOGY: (),
        REGISTRY: (home.registry_password,),
        JOBRUNNER: (home.registry_password,),
        DEPLOYER: (home.registry_password,),
        GATEWAY: (),
    }
    return {
        NATS: (home.nats_files.config,),
        **{name: (home.nats_files.credentials_of(name), home.token, *more) for name, more in services.items()},
        PROMETHEUS: (home.token,),
        GRAFANA: (home.token,),
    }


def distribute(home: Home, target: Path) -> None:
    """Create the credentials that are missing, and copy each to the directories of its recipients.

    Args:
        home: the home with all credentials; only operators can read it.
        target: existing; directories that do not exist in it are created.

    Raises:
        PlatformError: a file of the home is not private to its owner.
        OSError: a file cannot be written.
    """
    NatsAccess(home.nats_files).prepare()
    for secret in (home.token, home.registry_password):
        provide_secret(secret)
    for name, sources in recipients(home).items():
        directory = target / name
        directory.mkdir(exist_ok=True)
        for source in sources:
            replace_file(directory / source.name, source.read_bytes())


if __name__ == "__main__":
    try:
        distribute(Home.default(), Path(sys.argv[1]))
    except (PlatformError, OSError) as error:
        sys.exit(f"the credentials cannot be written: {error}")
