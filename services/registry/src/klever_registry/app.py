"""The registry, put together."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from aiohttp import web

from kleverkit.health import holds
from kleverkit.nats_documents import NatsDocuments
from kleverkit.service import Runtime, make_runtime
from kleverproto.envelope import utc_now
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectDocument
from kleverproto.streams import MODELS_BUCKET, PROJECTS_BUCKET
from ormb.layout import default_root

from .adapters.local import (
    AccountsFile,
    Layout,
    LocalBlobs,
    LocalInventory,
    LocalManifests,
    LocalUploads,
    verify_bcrypt,
)
from .adapters.remote import RemoteConnection, RemoteManifests, RemoteSignatures
from .handlers import build_router
from .ports import BlobStore, Inventory, ManifestStore, SignatureStore, Uploads
from .routes import add_catalogue, add_routes, add_webhooks, guard, refusals
from .service.announcing import Announcer
from .service.authorization import Authorization
from .service.collecting import Collector
from .service.distribution import Distribution
from .service.embedded import Embedded
from .service.external import Notifications, Scanner
from .service.extraction import Extractions
from .service.policies import Policies
from .service.reconciling import Reconciler
from .service.records import Records
from .service.signatures import Signatures
from .settings import RegistrySettings

ANNOUNCERS = 8
"""Tags that are announced at a time."""


@dataclass(frozen=True)
class Stores:
    """Where artifacts are kept."""

    blobs: BlobStore
    uploads: Uploads
    manifests: ManifestStore
    inventory: Inventory


def local_stores(settings: RegistrySettings) -> Stores:
    """Artifacts on this machine's disk."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    layout = Layout(settings.data_dir)
    return Stores(LocalBlobs(layout), LocalUploads(layout), LocalManifests(layout), LocalInventory(layout))


def build(settings: RegistrySettings, *, clock: Callable[[], datetime] = utc_now) -> Runtime:
    """The service, ready to run."""
    runtime = make_runtime(
        "registry", settings, application=web.Application(middlewares=[refusals, guard(_authorization(settings))])
    )
    stores = local_stores(settings)
    signatures = Signatures(blobs=stores.blobs, manifests=stores.manifests)
    documents = NatsDocuments(runtime.client, MODELS_BUCKET, ModelDocument)
    records = Records(documents, runtime.publisher, runtime.events, clock)
    embedded = Embedded(stores.manifests, stores.blobs)
    announcer = Announcer(manifests=embedded, records=records, signatures=signatures, address=settings.address)
    external = _follow(runtime, settings, records)
    extractions = Extractions(records=records, signatures=signatures, external=external)
    distribution = Distribution(
        blobs=stores.blobs, uploads=stores.uploads, manifests=stores.manifests, observer=announcer
    )
    reconciler = Reconciler(
        manifests=stores.manifests,
        uploads=stores.uploads,
        documents=documents,
        pending=announcer.pending,
        address=settings.address,
        upload_ttl=timedelta(hours=settings.upload_ttl_hours),
    )
    add_routes(runtime.web, distribution, max_manifest_bytes=settings.max_manifest_bytes)
    add_catalogue(runtime.web, reconciler)
    runtime.serve([build_router(extractions, _policies(runtime, clock))])
    runtime.loops += [*[announcer.run] * ANNOUNCERS, partial(reconciler.run, settings.reconcile_seconds)]
    runtime.loops.append(partial(_collector(settings, stores, clock).run, settings.collect_seconds))
    runtime.health.add("storage", holds(partial(_is_writable, settings), f"{settings.data_dir} cannot be written"))
    return runtime


def _policies(runtime: Runtime, clock: Callable[[], datetime]) -> Policies:
    documents = NatsDocuments(runtime.client, PROJECTS_BUCKET, ProjectDocument)
    return Policies(documents, runtime.publisher, runtime.events, clock)


def _authorization(settings: RegistrySettings) -> Authorization | None:
    return Authorization(AccountsFile(settings.accounts), verify_bcrypt) if settings.accounts else None


def _follow(runtime: Runtime, settings: RegistrySettings, records: Records) -> dict[str, SignatureStore]:
    """Keep the catalogue in step with the external registries; where the signatures of each are."""
    connection = RemoteConnection(default_root())
    runtime.web.cleanup_ctx.append(connection.opened)
    announcers: dict[str, Announcer] = {}
    signatures: dict[str, SignatureStore] = {}
    for host in settings.external_hosts:
        manifests = RemoteManifests(connection, host)
        signatures[host] = beside = RemoteSignatures(connection, manifests)
        announcers[host] = announcer = Announcer(
            manifests=manifests, records=records, signatures=beside, address=host, owns_names=False
        )
        scanner = Scanner(host, manifests, announcer, records.documents)
        runtime.loops += [*[announcer.run] * ANNOUNCERS, partial(scanner.run, settings.external_scan_seconds)]
    add_webhooks(runtime.web, Notifications(announcers, records.documents), settings.webhook_secret)
    return signatures


def _collector(settings: RegistrySettings, stores: Stores, clock: Callable[[], datetime]) -> Collector:
    grace = timedelta(hours=settings.collect_grace_hours)
    return Collector(inventory=stores.inventory, manifests=stores.manifests, grace=grace, clock=clock)


async def _is_writable(settings: RegistrySettings) -> bool:
    return os.access(settings.data_dir, os.W_OK)
