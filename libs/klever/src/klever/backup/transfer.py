"""Restores a backup into a running NATS and a running registry, for a platform that is installed elsewhere."""

from dataclasses import dataclass
from pathlib import Path

import yarl

from kleverkit.errors import KleverError as ServiceError
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverproto.models import ModelDocument
from kleverproto.streams import MODELS_BUCKET
from ormb.adapters.connecting import Connecting, connected
from ormb.layout import default_root

from . import servers
from .errors import BackupError
from .pushing import push_models, require_no_other_versions, restored_tags
from .reading import Backup
from .streams import require_no_streams, restore_streams


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
        """Return host:port of the registry. Raises BackupError."""
        if self.registry.scheme not in {"http", "https"} or not self.registry.host:
            raise BackupError(f"{self.registry} is not the URL of a registry, such as https://registry.example.com")
        return self.registry.authority


async def restore_into_servers(backup: Backup, target: Servers) -> None:
    """Push the models, then create the streams, buckets and consumers.

    The streams are last, so that no document refers to a model that the registry does not have yet, and so that the
    same command can be repeated until then.

    Raises:
        BackupError: the servers have other data, or do not respond.
    """
    host = target.registry_host
    how = Connecting(plain_http=target.registry.scheme == "http")
    async with (
        servers.connected(target.nats_url, target.nats_credentials) as client,
        connected(default_root(), how) as registry,
    ):
        await require_no_streams(client.jetstream())
        await require_no_other_versions(backup, registry, host)
        await push_models(backup, registry, host)
        await restore_streams(client, backup, replicas=target.replicas)
        source = ClientSource()
        source.set(client)
        try:
            await _readdress(NatsDocuments(source, MODELS_BUCKET, ModelDocument), restored_tags(backup), host)
        except ServiceError as error:
            raise BackupError(f"the addresses of models cannot be changed: {error}") from error


async def _readdress(documents: NatsDocuments[ModelDocument], tags: dict[str, str], host: str) -> None:
    """Let the documents of the models that were pushed name the new registry."""
    for stored in (await documents.listing()).documents:
        spec = stored.document.spec
        if tags.get(f"{spec.ref.repository}:{spec.ref.version}") == spec.digest and spec.registry != host:
            moved = stored.document.replace(spec=spec.model_copy(update={"registry": host}))
            await documents.update(stored.key, moved, stored.revision)
