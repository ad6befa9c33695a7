"""Assembles the gateway."""

import uuid
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version

from aiohttp import web

from kleverkit.leadership import while_leading
from kleverkit.lease_state import LeaseRecord
from kleverkit.leases import Lease
from kleverkit.loops import BackgroundLoops
from kleverkit.metrics import gauge
from kleverkit.nats_documents import NatsDocuments
from kleverkit.service import Runtime, make_runtime
from kleverproto.envelope import utc_now
from kleverproto.jobs import JobDocument
from kleverproto.metrics import EVENT_STREAMS
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectDocument
from kleverproto.servings import ServingDocument
from kleverproto.streams import JOBS_BUCKET, LEASES_BUCKET, MODELS_BUCKET, PROJECTS_BUCKET, SERVINGS_BUCKET, BucketSpec

from .adapters.nats_events import NatsEventLog
from .adapters.nats_requests import NatsRequests
from .adapters.sqlite import SqliteProjection
from .domain.resources.resource import ResourceKind
from .domain.rows import REQUEST_STREAMS, RESTORED, Collection, DocT, RowOf, job_row, model_row, policy_row, serving_row
from .metrics import StateMetrics
from .ports import Projection, Requests
from .routes.common import keys
from .routes.common.access import Access, add_browser_rules
from .routes.common.middlewares import make_middlewares
from .routes.common.operation import Operation
from .routes.common.problems import refusal
from .routes.documentation import add_pages
from .routes.login import add_login
from .routes.openapi import document as openapi
from .routes.operations import OPERATIONS
from .routes.registry import add_signpost
from .service.arrivals import Arrivals
from .service.decisions import Decisions
from .service.deletions import Deletions
from .service.jobs import Jobs
from .service.live_events import LiveEvents
from .service.owners import Owned
from .service.policies import Policies
from .service.projector import Projector
from .service.reader import Reader
from .service.resources.controller import Check, ResourceController
from .service.resources.job_mirror import JobMirror
from .service.resources.reconciler import Reconciler
from .service.resources.requested_jobs import RequestedJobs
from .service.resources.requested_servings import RequestedServings
from .service.resources.shown_jobs import ShownJobs
from .service.resources.statuses import Statuses
from .service.serving_changes import ServingChanges
from .service.serving_requests import ServingRequests
from .service.servings import Servings
from .service.sessions import Sessions
from .service.settler import Settler
from .service.submitter import Submitter
from .service.versions import Versions
from .settings import GatewaySettings

PROJECTION_FILE = "projection.sqlite"


def build(settings: GatewaySettings) -> Runtime:
    """Build the gateway without connecting it."""
    application = web.Application()
    runtime = make_runtime("gateway", settings, application=application)
    runtime.refusal = refusal
    application[keys.SESSIONS] = sessions = Sessions()
    access = Access(runtime.token, sessions) if runtime.token is not None else None
    application.middlewares.extend(make_middlewares(access))
    application.on_response_prepare.append(add_browser_rules)
    projection, arrivals = SqliteProjection(settings.data_dir / PROJECTION_FILE), Arrivals()
    runtime.on_stop.append(projection.close)
    runtime.refreshes.append(StateMetrics(runtime.metrics, projection).refresh)
    requests = NatsRequests(runtime.publisher, runtime.client)
    _add_use_cases(runtime, settings, projection, requests, arrivals)
    checks = _add_loops(runtime, settings, projection, requests, arrivals)
    if settings.custom_resources:
        _add_resources(runtime, settings, projection, arrivals, checks)
    _add_routes(application, OPERATIONS)
    return runtime


def _add_use_cases(
    runtime: Runtime, settings: GatewaySettings, projection: Projection, requests: Requests, arrivals: Arrivals
) -> None:
    event_log = NatsEventLog(runtime.client)
    reader = Reader(projection, event_log)
    submitter = Submitter(
        requests=requests,
        projection=projection,
        source=runtime.events,
        new_id=lambda: str(uuid.uuid4()),
        clock=utc_now,
    )
    policies = Policies(submitter)
    versions = Versions(
        projection,
        arrivals,
        policies.get,
        wait_seconds=settings.model_wait_seconds,
        allow_commands=settings.allow_commands,
    )
    runtime.web[keys.READER] = reader
    runtime.web[keys.DELETIONS] = Deletions(submitter, reader, settings.registry)
    decisions = Decisions(event_log, wait_seconds=settings.decision_seconds)
    runtime.loops.append(decisions.run)
    runtime.health.add("decisions", decisions.check)
    serving_requests = ServingRequests(submitter=submitter, decisions=decisions, arrivals=arrivals)
    runtime.web[keys.SERVINGS] = servings = Servings(serving_requests, versions)
    runtime.web[keys.SERVING_CHANGES] = ServingChanges(servings, serving_requests)
    runtime.web[keys.JOBS] = Jobs(submitter, versions, reader)
    runtime.web[keys.POLICIES] = policies
    runtime.web[keys.LIVE_EVENTS] = live_events = LiveEvents(event_log)
    gauge(EVENT_STREAMS, runtime.metrics).set_function(lambda: live_events.clients)
    runtime.web[keys.OPENAPI] = openapi.text(OPERATIONS)
    runtime.web[keys.PLATFORM] = keys.Platform(
        version=version("klever-gateway"),
        gateway=settings.public_url,
        registry=settings.registry_url,
        ingress=settings.ingress_url,
    )
    runtime.web[keys.STREAM_PACE] = keys.StreamPace(
        keep_alive_seconds=settings.keep_alive_seconds, slow_client_seconds=settings.slow_client_seconds
    )


def _add_loops(
    runtime: Runtime, settings: GatewaySettings, projection: Projection, requests: Requests, arrivals: Arrivals
) -> list[Check]:
    """Add the loops that keep the projection up to date. Return their checks."""
    checks: list[Check] = []

    def add(collection: Collection, bucket: BucketSpec, document: type[DocT], row_of: RowOf[DocT]) -> None:
        owned = Owned(collection, NatsDocuments(runtime.client, bucket, document), row_of)
        seconds = settings.restore_seconds if collection in RESTORED else 0
        projector = Projector(owned, projection=projection, arrivals=arrivals, restore_seconds=seconds)
        runtime.loops.append(projector.run)
        runtime.health.add(collection.value, projector.check)
        checks.append(projector.check)
        if collection in REQUEST_STREAMS:
            settler = Settler(owned, projection=projection, requests=requests, arrivals=arrivals)
            runtime.loops.append(settler.run)

    add(Collection.MODELS, MODELS_BUCKET, ModelDocument, model_row)
    add(Collection.JOBS, JOBS_BUCKET, JobDocument, job_row)
    add(Collection.SERVINGS, SERVINGS_BUCKET, ServingDocument, serving_row)
    add(Collection.POLICIES, PROJECTS_BUCKET, ProjectDocument, policy_row)
    return checks


def _add_resources(
    runtime: Runtime, settings: GatewaySettings, projection: Projection, arrivals: Arrivals, checks: list[Check]
) -> None:
    """Add the controller of custom resources, which runs in the replica that holds the lease."""
    from .adapters.kubernetes.resource_store import ClusterResources  # noqa: PLC0415 - its client takes seconds to import

    store = ClusterResources(settings.kubeconfig, settings.custom_resource_namespaces)
    statuses = Statuses(store, utc_now)
    servings = Reconciler(store, statuses, RequestedServings(runtime.web[keys.SERVINGS], projection))
    jobs = Reconciler(store, statuses, RequestedJobs(store, runtime.web[keys.JOBS], projection))
    model_jobs = ShownJobs(store, projection, jobs)
    controller = ResourceController(
        store=store,
        reconcilers={ResourceKind.SERVING: servings.reconcile, ResourceKind.MODEL_JOB: model_jobs.reconcile},
        mirror=JobMirror(store, projection) if settings.mirror_jobs else None,
        projection=projection,
        arrivals=arrivals,
        checks=checks,
    )
    lease = Lease(NatsDocuments(runtime.client, LEASES_BUCKET, LeaseRecord), runtime.name, runtime.metrics)
    leading = BackgroundLoops([controller.run])
    runtime.loops.append(partial(while_leading, runtime.compete(lease), leading.run))


def _add_routes(application: web.Application, operations: Sequence[Operation]) -> None:
    for operation in operations:
        application.router.add_route(operation.method, operation.path, operation.handler)
    add_pages(application)
    add_login(application)
    add_signpost(application)
