"""Creates a backup of a platform, which may be running."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from klever.platform.home import ACCOUNTS_SETTING, Home
from klever.platform.plan import REGISTRY

from .contract import contract
from .home_files import save_home
from .members import HEADER, Header
from .models import save_models
from .servers import platform_client
from .streams import save_streams
from .writing import new_archive

DATA_DIR_SETTING = "KLEVER_REGISTRY_DATA_DIR"
"""Environment variable with another data directory of the registry."""


@dataclass(frozen=True)
class Source:
    """The directories of a platform that are saved.

    Attributes:
        home: the home of the platform.
        registry: the data directory of its registry.
        accounts: the accounts of its registry.
    """

    home: Home
    registry: Path
    accounts: Path

    @classmethod
    def of(cls, home: Home) -> "Source":
        """Return the directories of a home, or those that the environment names, as for `klever up`."""
        registry = os.environ.get(DATA_DIR_SETTING)
        accounts = os.environ.get(ACCOUNTS_SETTING)
        return cls(
            home, Path(registry) if registry else home.of(REGISTRY), Path(accounts) if accounts else home.accounts
        )


def new_header() -> Header:
    """Return the header of a backup that this release creates now."""
    return Header(release=version("klever"), created_at=datetime.now(UTC), contract=contract())


async def create(source: Source, path: Path, nats_server: str) -> None:
    """Write a backup, which only its owner can read.

    Each part is consistent with the parts before it: copies of documents, positions of consumers, documents, events,
    models. Nothing in a part refers to something that the following parts do not have yet.

    Args:
        source: the directories of the platform.
        path: the new file.
        nats_server: path of the nats-server program, which is started if the platform does not run.

    Raises:
        BackupError: the backup cannot be created; there is no file then.
        PlatformError: a platform with this home is starting or stopping.
    """
    async with platform_client(source.home, nats_server) as client:
        with new_archive(path) as archive:
            archive.add(HEADER, new_header().model_dump_json().encode())
            save_home(source.home.path, archive, registry=source.registry, accounts=source.accounts)
            await save_streams(client, archive)
            save_models(source.registry, archive)
