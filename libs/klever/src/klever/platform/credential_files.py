"""Writes the credentials of a platform whose services run in containers: a directory for each, with its own only.

`python -m klever.platform.credential_files DIRECTORY` creates what is missing in the home, and distributes it.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from klever.errors import PlatformError
from kleverkit.durable import replace_file
from kleverproto.streams import TOPOLOGY

from .home import Home
from .own_credentials import provide_credentials
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
        PlatformError: a file of the home is not private to its owner, or not valid.
        OSError: a file cannot be written.
    """
    provide_credentials(home)
    for name, sources in recipients(home).items():
        directory = target / name
        directory.mkdir(exist_ok=True)
        for source in sources:
            replace_file(directory / source.name, source.read_bytes())


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Create and distribute the credentials of a platform in containers.")
    parser.add_argument("directory", type=Path, help="existing directory for those of the recipients")
    target = parser.parse_args().directory
    try:
        distribute(Home.default(), target)
    except (PlatformError, OSError) as error:
        sys.exit(f"the credentials cannot be written: {error}")


if __name__ == "__main__":
    main()
