"""Saves and restores a running NATS and a running registry, for a platform that is not one of this machine."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yarl
from nats.aio.client import Client

from kleverkit.errors import KleverError as ServiceError
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverproto.models import ModelDocument
from kleverproto.streams import MODELS_BUCKET
from ormb.adapters.connecting import Connecting, connected
from ormb.layout import default_root
from ormb.ports import Registry

from . import servers
from .creation import new_header
from .errors import BackupError
from .members import HEADER
from .pulling import Version, save_models_from
from .pushing import push_models, require_no_other_versions, restored_tags
from .reading import Backup
from .streams import require_no_streams, restore_streams, save_streams
from .writing import new_archive


@dataclass(frozen=True)
class Servers:
    """The servers of a platform.

    Attributes:
        nats_url: one URL, or several separated by commas.
        nats_credentials: file with the seed of an operator; None for a NATS without authentication.
        registry: URL of the registry; its credentials are those of `ormb login`.
        replicas: number of replicas of each stream.
    """

    nats_url: str
    nats_credentials: Path | None
    registry: yarl.URL
    replicas: int = 1

    @property
    def registry_host(self) -> str:
        """Return host:port of the registry, or its host if the URL has no port. Raises BackupError.

        Documents and logins contain the address in the same form: a default port is not added.
        """
        url = self.registry
        if url.scheme not in {"http", "https"} or not url.host or url.user or url.path not in {"", "/"}:
            raise BackupError(
                f"{url.with_user(None) if url.user else url} is not the URL of a registry, such as "
                "https://registry.example.com; log in with `ormb login`"
            )
        return f"{url.host_subcomponent}:{url.explicit_port}" if url.explicit_port else str(url.host_subcomponent)

    @property
    def registry_names(self) -> frozenset[str]:
        """Return the addresses by which documents can name the registry: with and without a default port."""
        url = self.registry
        return frozenset({self.registry_host, f"{url.host_subcomponent}:{url.port}", str(url.host_port_subcomponent)})


async def create_from_servers(source: Servers, path: Path) -> None:
    """Write a backup of streams and models, without files of a home. Models of other registries are not included.

    Raises:
        BackupError: the backup cannot be created; there is no file then.
    """
    names = source.registry_names
    async with _connected(source) as (client, registry):
        with new_archive(path) as archive:
            archive.add(HEADER, new_header().model_dump_json().encode())
            await save_streams(client, archive)
            with _answers():
                models = (await _models(client).listing()).documents  # later than their snapshot
            specs = [each.document.spec for each in models if each.document.spec.registry in names]
            versions = [Version(spec.ref, spec.digest) for spec in specs]
            await save_models_from(registry, source.registry_host, versions, archive)


async def restore_into_servers(backup: Backup, target: Servers) -> None:
    """Push the models, then create the streams, buckets and consumers.

    The streams are last, so that no document refers to a model that the registry does not have yet, and so that the
    same command can be repeated until then.

    Raises:
        BackupError: the servers have other data, or do not respond.
    """
    host = target.registry_host
    async with _connected(target) as (client, registry):
        await require_no_streams(client.jetstream())
        await require_no_other_versions(backup, registry, host)
        await push_models(backup, registry, host)
        await restore_streams(client, backup, replicas=target.replicas)
        with _answers():
            await _readdress(_models(client), restored_tags(backup), host)


@asynccontextmanager
async def _connected(place: Servers) -> AsyncIterator[tuple[Client, Registry]]:
    """Yield clients of both servers. Raises BackupError."""
    how = Connecting(plain_http=place.registry.scheme == "http")
    async with (
        servers.connected(place.nats_url, place.nats_credentials) as client,
        connected(default_root(), how) as registry,
    ):
        yield client, registry


def _models(client: Client) -> NatsDocuments[ModelDocument]:
    source = ClientSource()
    source.set(client)
    return NatsDocuments(source, MODELS_BUCKET, ModelDocument)


@contextmanager
def _answers() -> Iterator[None]:
    """Convert errors of the bucket of models to BackupError."""
    try:
        yield
    except ServiceError as error:
        raise BackupError(f"the catalogue of models cannot be read or changed: {error}") from error


async def _readdress(documents: NatsDocuments[ModelDocument], tags: dict[str, str], host: str) -> None:
    """Let the documents of the models that were pushed name the new registry."""
    for stored in (await documents.listing()).documents:
        spec = stored.document.spec
        if tags.get(f"{spec.ref.repository}:{spec.ref.version}") == spec.digest and spec.registry != host:
            moved = stored.document.replace(spec=spec.model_copy(update={"registry": host}))
            await documents.update(stored.key, moved, stored.revision)
