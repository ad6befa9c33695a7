"""The registry, put together."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from aiohttp import web

from kleverkit.health import Check
from kleverkit.incarnations import RememberedBucket
from kleverkit.nats_documents import NatsDocuments
from kleverkit.service import Runtime, make_runtime
from kleverproto.envelope import utc_now
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectDocument
from kleverproto.servings import ServingDocument
from kleverproto.streams import MODELS_BUCKET, PROJECTS_BUCKET, SERVINGS_BUCKET
from ormb.layout import default_root

from .adapters.local import (
    AccountsFile,
    Layout,
    LocalBlobs,
    LocalInventory,
    LocalManifests,
    LocalPolicyCopies,
    LocalUploads,
    had_accounts,
    verify_bcrypt,
)
from .adapters.remote import RemoteConnection, RemoteManifests, RemoteSignatures
from .domain.clocks import SteadyClock
from .domain.logins import LoginLimits
from .handlers import build_router
from .ports import BlobStore, Inventory, ManifestStore, PolicyCopies, SignatureStore, Uploads
from .routes import add_catalogue, add_routes, add_webhooks, guard, refusal, refusals
from .service.alarms import Alarms
from .service.announcing import Announcer
from .service.authorization import Authorization
from .service.collecting import Collector, purge_uploads
from .service.deletions import Deletions
from .service.distribution import Distribution
from .service.embedded import Embedded
from .service.external import Notifications, Scanner
from .service.extraction import Extractions
from .service.policies import Policies
from .service.reconciling import Reconciler
from .service.records import Records
from .service.restoring import Restorer
from .service.signatures import Signatures
from .service.usage import ServedModels
from .settings import RegistrySettings

ACCOUNTS_NOTE = "has-accounts"
"""File beside the models that says that the registry has, or had, accounts."""
ANNOUNCERS = 8
"""Tags that are announced at a time."""


@dataclass(frozen=True)
class Stores:
    """Where artifacts are kept."""

    blobs: BlobStore
    uploads: Uploads
    manifests: ManifestStore
    inventory: Inventory
    policies: PolicyCopies
    problem: Callable[[], Awaitable[str | None]]
    """Why nothing can be stored now, if so."""


def local_stores(settings: RegistrySettings, clock: Callable[[], datetime]) -> Stores:
    """Artifacts on this machine's disk, whose age is judged by a clock that does not jump."""
    layout = Layout(settings.data_dir)
    return Stores(
        blobs=LocalBlobs(layout),
        uploads=LocalUploads(layout, clock=clock),
        manifests=LocalManifests(layout),
        inventory=LocalInventory(layout),
        policies=LocalPolicyCopies(layout.disk, settings.data_dir / "projects"),
        problem=partial(layout.disk.problem, settings.min_free_bytes),
    )


def build(settings: RegistrySettings, *, clock: Callable[[], datetime] = utc_now) -> Runtime:
    """The service, ready to run."""
    authorization, check_accounts = _authorization(settings)
    runtime = make_runtime(
        "registry", settings, application=web.Application(middlewares=[refusals, guard(authorization)])
    )
    steady = SteadyClock(clock)
    stores = local_stores(settings, steady)
    alarms = Alarms(runtime.metrics)
    runtime.refusal = refusal
    signatures = Signatures(blobs=stores.blobs, manifests=stores.manifests)
    documents = NatsDocuments(runtime.client, MODELS_BUCKET, ModelDocument)
    records = Records(documents, runtime.publisher, runtime.events, clock)
    embedded = Embedded(stores.manifests, stores.blobs)
    announcer = Announcer(manifests=embedded, records=records, signatures=signatures, address=settings.address)
    external, scanners = _follow(runtime, settings, records, alarms)
    policies, restorer = _policies(runtime, settings, stores, scanners, documents, clock)
    reconciler = Reconciler(
        manifests=stores.manifests,
        records=records,
        pending=announcer.pending,
        alarms=alarms,
        address=settings.address,
        restorer=restorer,
    )
    served = ServedModels(NatsDocuments(runtime.client, SERVINGS_BUCKET, ServingDocument))
    distribution = Distribution(
        blobs=stores.blobs, uploads=stores.uploads, manifests=stores.manifests, observer=announcer, usage=served
    )
    add_routes(runtime.web, distribution, max_manifest_bytes=settings.max_manifest_bytes)
    add_catalogue(runtime.web, reconciler)
    extractions = Extractions(records=records, signatures=signatures, external=external)
    deletions = Deletions(distribution, documents, settings.address)
    runtime.serve([build_router(extractions, policies, deletions)])
    runtime.loops += [served.run, *[announcer.run] * ANNOUNCERS, partial(reconciler.run, settings.reconcile_seconds)]
    runtime.loops.append(partial(_collector(settings, stores, steady).run, settings.collect_seconds))
    ttl = timedelta(hours=settings.upload_ttl_hours)
    runtime.loops.append(partial(purge_uploads, stores.uploads, ttl, settings.reconcile_seconds))
    _report(runtime, storage=stores.problem, models=reconciler.check, accounts=check_accounts, served=served.check)
    return runtime


def _report(runtime: Runtime, **checks: Check) -> None:
    for name, check in checks.items():
        runtime.health.add(name, check)


def _policies(
    runtime: Runtime,
    settings: RegistrySettings,
    stores: Stores,
    scanners: Sequence[Scanner],
    models: NatsDocuments[ModelDocument],
    clock: Callable[[], datetime],
) -> tuple[Policies, Restorer]:
    documents = NatsDocuments(runtime.client, PROJECTS_BUCKET, ProjectDocument)
    policies = Policies(documents, runtime.publisher, runtime.events, clock, stores.policies)
    return policies, Restorer(
        models=RememberedBucket(settings.data_dir / "buckets" / f"{MODELS_BUCKET.name}.json", models),
        policies=policies,
        scanners=scanners,
    )


def _authorization(settings: RegistrySettings) -> tuple[Authorization | None, Check]:
    note = settings.data_dir / ACCOUNTS_NOTE
    if settings.accounts is None:
        if note.exists():
            raise had_accounts(note, "none are configured: set KLEVER_REGISTRY_ACCOUNTS=<file>")
        return None, _always_well
    source = AccountsFile(settings.accounts, note, open_until_there=settings.open_until_accounts)
    return Authorization(source, verify_bcrypt, LoginLimits(time.monotonic)), source.check


async def _always_well() -> str | None:
    return None


def _follow(
    runtime: Runtime, settings: RegistrySettings, records: Records, alarms: Alarms
) -> tuple[dict[str, SignatureStore], list[Scanner]]:
    """Keep the catalogue in step with the external registries; where the signatures of each are."""
    connection = RemoteConnection(default_root())
    runtime.web.cleanup_ctx.append(connection.opened)
    announcers: dict[str, Announcer] = {}
    signatures: dict[str, SignatureStore] = {}
    scanners: list[Scanner] = []
    for host in settings.external_hosts:
        manifests = RemoteManifests(connection, host)
        signatures[host] = beside = RemoteSignatures(connection, manifests)
        announcers[host] = announcer = Announcer(
            manifests=manifests, records=records, signatures=beside, address=host, owns_names=False
        )
        scanners.append(scanner := Scanner(host, manifests, announcer, records, alarms))
        runtime.loops += [*[announcer.run] * ANNOUNCERS, partial(scanner.run, settings.external_scan_seconds)]
    add_webhooks(runtime.web, Notifications(announcers, records.documents), settings.webhook_secret)
    return signatures, scanners


def _collector(settings: RegistrySettings, stores: Stores, clock: Callable[[], datetime]) -> Collector:
    grace = timedelta(hours=settings.collect_grace_hours)
    return Collector(inventory=stores.inventory, manifests=stores.manifests, grace=grace, clock=clock)
