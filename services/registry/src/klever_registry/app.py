"""Assembles the registry."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from aiohttp import web
from prometheus_client import Counter

from kleverkit.health import Check
from kleverkit.incarnations import FileMemory, RememberedBucket
from kleverkit.leadership import while_leading
from kleverkit.lease_state import LeaseRecord
from kleverkit.leases import Lease
from kleverkit.loops import BackgroundLoops, Loop
from kleverkit.nats_documents import NatsDocuments
from kleverkit.service import Runtime, make_runtime
from kleverkit.tokens import Token
from kleverproto import subjects
from kleverproto.envelope import utc_now
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectDocument
from kleverproto.servings import ServingDocument
from kleverproto.streams import LEASES_BUCKET, MODELS_BUCKET, PROJECTS_BUCKET, SERVINGS_BUCKET
from ormb.layout import default_root

from .adapters.local import (
    AccountsFile,
    Layout,
    LocalBlobs,
    LocalCopies,
    LocalInventory,
    LocalLocks,
    LocalManifests,
    LocalUploads,
    NoAccounts,
    verify_bcrypt,
)
from .adapters.nats_announcements import NatsAnnouncements
from .adapters.remote import RemoteConnection, RemoteManifests, RemoteSignatures
from .domain.clocks import SteadyClock
from .domain.logins import LoginLimits
from .domain.storage import Storage
from .handlers import build_router
from .metrics import RegistryMetrics
from .ports import (
    AccountSource,
    BlobStore,
    Copies,
    Inventory,
    Locks,
    ManifestStore,
    SignatureStore,
    Space,
    Uploads,
)
from .routes import add_catalogue, add_routes, add_webhooks, guard, plain_bodies, refusal, refusals
from .service.admission import Admission, Limits
from .service.alarms import Alarms
from .service.announcer import Announcer
from .service.authorization import Authorization
from .service.blobs import Blobs
from .service.collector import Collector, purge_uploads
from .service.copies import ModelCopies
from .service.deletions import Deletions
from .service.distribution import Distribution
from .service.embedded import Embedded
from .service.external import Notifications, Scanner
from .service.extraction import Extractions
from .service.policies import Policies
from .service.reconciler import Reconciler
from .service.records import Records
from .service.restorer import Restorer
from .service.signatures import Signatures
from .service.usage import ServedModels
from .settings import RegistrySettings

ANNOUNCERS = 8
"""Number of tags that are announced concurrently."""


@dataclass(frozen=True)
class Stores:
    """The stores of artifacts."""

    blobs: BlobStore
    uploads: Uploads
    manifests: ManifestStore
    inventory: Inventory
    space: Space
    storage: Callable[[], Awaitable[Storage]]
    models: Copies[ModelDocument]
    policies: Copies[ProjectDocument]
    locks: Locks
    problem: Callable[[], Awaitable[str | None]]
    """Returns the problem while nothing can be stored, or None."""


def local_stores(settings: RegistrySettings, clock: Callable[[], datetime]) -> Stores:
    """Create the stores on this machine's disk. Their ages are measured with a clock that does not jump."""
    layout = Layout(settings.data_dir)
    inventory = LocalInventory(layout)
    return Stores(
        blobs=LocalBlobs(layout),
        uploads=LocalUploads(layout, clock=clock),
        manifests=LocalManifests(layout),
        inventory=inventory,
        space=inventory,
        storage=inventory.storage,
        models=LocalCopies(layout.disk, settings.data_dir / "catalogue", ModelDocument, _key_of_model),
        policies=LocalCopies(layout.disk, settings.data_dir / "projects", ProjectDocument, _key_of_project),
        locks=LocalLocks(settings.data_dir / "locks" / "repositories"),
        problem=partial(layout.disk.problem, settings.min_free_bytes),
    )


def _key_of_model(document: ModelDocument) -> str:
    return document.spec.ref.key


def _key_of_project(document: ProjectDocument) -> str:
    return subjects.escape(document.spec.name)


def build(settings: RegistrySettings, *, clock: Callable[[], datetime] = utc_now) -> Runtime:
    """Build the service."""
    accounts, check_accounts = _accounts(settings)
    runtime = _runtime(settings, accounts)
    steady = SteadyClock(clock)
    stores = local_stores(settings, steady)
    alarms, metrics = Alarms(runtime.metrics), RegistryMetrics(runtime.metrics)
    signatures = Signatures(blobs=stores.blobs, manifests=stores.manifests)
    documents = NatsDocuments(runtime.client, MODELS_BUCKET, ModelDocument)
    copies = ModelCopies(documents, stores.models, stores.locks)
    announcements = NatsAnnouncements(runtime.client, runtime.publisher)
    records = Records(documents, copies, runtime.publisher, announcements, runtime.events, clock)
    embedded = Embedded(stores.manifests, stores.blobs)
    announcer = Announcer(manifests=embedded, records=records, signatures=signatures, address=settings.address)
    lease = Lease(NatsDocuments(runtime.client, LEASES_BUCKET, LeaseRecord), runtime.name, runtime.metrics)
    external, scanners, scans = _follow(runtime, settings, records, alarms)
    policies, restorer = _policies(runtime, settings, stores, scanners, records)
    reconciler = Reconciler(
        manifests=stores.manifests,
        records=records,
        pending=announcer.pending,
        alarms=alarms,
        address=settings.address,
        restorer=restorer,
        require_lease=lease.require,
    )
    served = ServedModels(NatsDocuments(runtime.client, SERVINGS_BUCKET, ServingDocument))
    admission = Admission(_limits(settings), stores.space, accounts, time.monotonic)
    distribution = _distribution(stores, announcer, served, admission, metrics.transfers)
    add_routes(runtime.web, distribution, max_manifest_bytes=settings.max_manifest_bytes)
    add_catalogue(runtime.web, reconciler)
    extractions = Extractions(
        records=records, signatures=signatures, external=external, push_to_servable=metrics.push_to_servable
    )
    deletions = Deletions(distribution, records, settings.address)
    runtime.serve([build_router(extractions, policies, deletions)])
    runtime.loops += [served.run, partial(metrics.measure, stores.storage), *[announcer.run] * ANNOUNCERS]
    compare = partial(reconciler.run, settings.reconcile_seconds)
    leading: list[Loop] = [compare, *scans, *_sweepers(settings, stores, steady, runtime.compete(lease))]
    runtime.loops.append(partial(while_leading, lease, BackgroundLoops(leading).run))
    _report(runtime, storage=stores.problem, models=reconciler.check, accounts=check_accounts, served=served.check)
    return runtime


def _runtime(settings: RegistrySettings, accounts: AccountSource | None) -> Runtime:
    guards = [refusals, plain_bodies, guard(_authorization(settings, accounts))]
    runtime = make_runtime("registry", settings, application=web.Application(middlewares=guards))
    runtime.refusal = refusal
    return runtime


def _report(runtime: Runtime, **checks: Check) -> None:
    for name, check in checks.items():
        runtime.health.add(name, check)


def _policies(
    runtime: Runtime,
    settings: RegistrySettings,
    stores: Stores,
    scanners: Sequence[Scanner],
    records: Records,
) -> tuple[Policies, Restorer]:
    documents = NatsDocuments(runtime.client, PROJECTS_BUCKET, ProjectDocument)
    policies = Policies(documents, runtime.publisher, runtime.events, records.clock, stores.policies, stores.locks)
    return policies, Restorer(
        records=records,
        models=RememberedBucket(
            FileMemory(settings.data_dir / "buckets" / f"{MODELS_BUCKET.name}.json"), records.documents
        ),
        policies=policies,
        scanners=scanners,
    )


def _distribution(
    stores: Stores, announcer: Announcer, served: ServedModels, admission: Admission, transfers: Counter
) -> Distribution:
    blobs = Blobs(
        store=stores.blobs,
        uploads=stores.uploads,
        manifests=stores.manifests,
        admission=admission,
        locks=stores.locks,
        transfers=transfers,
    )
    return Distribution(blobs=blobs, manifests=stores.manifests, observer=announcer, usage=served)


def _limits(settings: RegistrySettings) -> Limits:
    return Limits(settings.max_blob_bytes, settings.max_uploads, settings.project_quota_bytes)


def _accounts(settings: RegistrySettings) -> tuple[AccountSource | None, Check]:
    """Return the accounts and their readiness check; None for a registry without authentication."""
    if settings.open:
        return None, _always_well
    if settings.accounts is None:
        return NoAccounts(), _always_well
    source = AccountsFile(settings.accounts, is_optional=settings.platform_password_file is not None)
    return source, source.check


def _authorization(settings: RegistrySettings, accounts: AccountSource | None) -> Authorization | None:
    if accounts is None:
        return None
    limits = LoginLimits(time.monotonic)
    if settings.platform_password_file is None:
        return Authorization(accounts, verify_bcrypt, limits)
    return Authorization(accounts, verify_bcrypt, limits, Token.read(settings.platform_password_file).is_same)


async def _always_well() -> str | None:
    return None


def _follow(
    runtime: Runtime, settings: RegistrySettings, records: Records, alarms: Alarms
) -> tuple[dict[str, SignatureStore], list[Scanner], list[Loop]]:
    """Keep the catalogue up to date with the external registries. Returns their signatures, scanners and scan loops."""
    connection = RemoteConnection(default_root())
    runtime.web.cleanup_ctx.append(connection.opened)
    announcers: dict[str, Announcer] = {}
    signatures: dict[str, SignatureStore] = {}
    scanners: list[Scanner] = []
    scans: list[Loop] = []
    for host in settings.external_hosts:
        manifests = RemoteManifests(connection, host)
        signatures[host] = store = RemoteSignatures(connection, manifests)
        announcers[host] = announcer = Announcer(
            manifests=manifests, records=records, signatures=store, address=host, owns_names=False
        )
        scanners.append(scanner := Scanner(host, manifests, announcer, records, alarms))
        runtime.loops += [announcer.run] * ANNOUNCERS
        scans.append(partial(scanner.run, settings.external_scan_seconds))
    add_webhooks(runtime.web, Notifications(announcers, records.documents), settings.webhook_secret)
    return signatures, scanners, scans


def _sweepers(
    settings: RegistrySettings, stores: Stores, clock: Callable[[], datetime], lease: Lease
) -> tuple[Loop, Loop]:
    """Return the loops that remove unused blobs and expired uploads."""
    collector = Collector(
        inventory=stores.inventory,
        manifests=stores.manifests,
        grace=timedelta(hours=settings.collect_grace_hours),
        clock=clock,
        check_lease=lease.check,
    )
    ttl = timedelta(hours=settings.upload_ttl_hours)
    purge = partial(purge_uploads, stores.uploads, ttl, settings.reconcile_seconds)
    return partial(collector.run, settings.collect_seconds), purge
