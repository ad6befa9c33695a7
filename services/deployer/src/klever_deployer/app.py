"""The deployer, put together."""

import os
import sys
from collections.abc import Callable
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from kleverkit.nats_documents import NatsDocuments
from kleverkit.service import Runtime, make_runtime
from kleverproto.envelope import utc_now
from kleverproto.jobs import JobDocument
from kleverproto.models import ModelDocument
from kleverproto.servings import ServingDocument
from kleverproto.streams import JOBS_BUCKET, MODELS_BUCKET, SERVINGS_BUCKET
from modelformats.converting.toolchains import ToolchainStore
from ormb.layout import default_root

from .adapters.catalogue import DocumentCatalogue
from .adapters.conversions import JobConversions
from .adapters.local.envoy import EnvoyDataPlane
from .adapters.local.launching import Launching, server_path
from .adapters.local.model_store import LocalModelStore
from .adapters.local.workloads import LocalWorkloads
from .adapters.toolchains import LocalToolchains
from .handlers import build_router
from .service.advancing import Advance
from .service.logbook import Logbook
from .service.models import Models
from .service.reconciling import Reconciler
from .service.records import Records
from .service.rollout import Rollout
from .service.servers import Servers
from .settings import DeployerSettings


def build(settings: DeployerSettings, *, clock: Callable[[], datetime] = utc_now) -> Runtime:
    """The service, ready to run."""
    runtime = make_runtime("deployer", settings)
    work_dir = settings.work_dir.resolve()
    store = LocalModelStore(work_dir / "models", default_root())
    workloads = LocalWorkloads(
        work_dir / "workloads", _launcher(work_dir / "python"), grace_seconds=settings.grace_seconds
    )
    envoy = EnvoyDataPlane(
        work_dir / "envoy",
        host=settings.ingress_host,
        port=settings.ingress_port,
        drain_seconds=settings.grace_seconds,
    )
    records = Records(
        NatsDocuments(runtime.client, SERVINGS_BUCKET, ServingDocument), runtime.publisher, runtime.events, clock
    )
    catalogue = DocumentCatalogue(NatsDocuments(runtime.client, MODELS_BUCKET, ModelDocument))
    servers = Servers(workloads, envoy, ingress_url=settings.ingress_url, ready_timeout=settings.ready_timeout_seconds)
    jobs = NatsDocuments(runtime.client, JOBS_BUCKET, JobDocument)
    models = Models(
        catalogue,
        store,
        LocalToolchains(ToolchainStore(settings.toolchains, uv=os.environ.get("UV", "uv"))),
        JobConversions(jobs, runtime.publisher, runtime.events),
    )
    rollout = Rollout(records, models, servers, Advance(records, servers))
    reconciler = Reconciler(
        records=records,
        rollout=rollout,
        workloads=workloads,
        data_plane=envoy,
        store=store,
        clock=clock,
        resync_seconds=settings.resync_seconds,
    )
    runtime.serve([build_router(records, reconciler)])
    logbook = Logbook(workloads.logs, runtime.publisher, runtime.events)
    runtime.loops += [logbook.run, workloads.run, envoy.run, store.run, reconciler.run]
    runtime.on_stop += [workloads.close, envoy.close]
    runtime.health.add("ingress", envoy.is_live)
    return runtime


def _launcher(directory: Path) -> Launching:
    """Model servers are run by this interpreter, or by that of a toolchain, which must find kleverserve and no more."""
    found = find_spec("kleverserve")
    if found is None or found.origin is None:
        raise RuntimeError("kleverserve is not installed beside the deployer: install klever[platform]")
    return Launching(Path(sys.executable), server_path(directory, Path(found.origin).parent))
