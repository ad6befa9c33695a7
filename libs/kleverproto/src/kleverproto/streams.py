"""Streams, consumers and buckets as data; `kleverkit` creates them."""

from dataclasses import dataclass
from datetime import timedelta

from . import subjects


@dataclass(frozen=True, kw_only=True)
class StreamSpec:
    """A durable log of events."""

    name: str
    subjects: tuple[str, ...]
    max_age: timedelta
    duplicate_window: timedelta = timedelta(minutes=2)
    """How long the server remembers a `Nats-Msg-Id`."""
    readers: tuple[str, ...] = ()
    """Who reads all of it with short-lived consumers: the gateway for its clients, or operators."""


@dataclass(frozen=True, kw_only=True)
class ConsumerSpec:
    """A durable pull consumer; its name is service-dash-purpose."""

    durable: str
    stream: str
    subject: str
    ack_wait: timedelta = timedelta(seconds=30)
    """A message that is neither acknowledged nor reported in progress for this long is delivered again."""
    concurrency: int = 8
    """Messages in work at a time in one process."""
    max_deliveries: int = 8
    """Tries before a message is dead-lettered."""

    @property
    def service(self) -> str:
        """Who takes its messages."""
        return self.durable.partition("-")[0]


@dataclass(frozen=True, kw_only=True)
class BucketSpec:
    """A KV bucket of documents; only the owner writes."""

    name: str
    owner: str
    readers: tuple[str, ...] = ()
    """Services that read it besides its owner."""

    @property
    def stream(self) -> str:
        """The stream that holds it."""
        return f"KV_{self.name}"

    @property
    def subjects(self) -> str:
        """The filter for the subjects of all its keys."""
        return f"$KV.{self.name}.>"


MODELS = StreamSpec(
    name="KLEVER_MODELS",
    subjects=(subjects.every("model"), subjects.every("project")),
    max_age=timedelta(days=90),
    readers=("gateway",),
)
JOBS = StreamSpec(
    name="KLEVER_JOBS", subjects=(subjects.every("job"),), max_age=timedelta(days=30), readers=("gateway",)
)
SERVINGS = StreamSpec(
    name="KLEVER_SERVINGS", subjects=(subjects.every("serving"),), max_age=timedelta(days=90), readers=("gateway",)
)
DEAD = StreamSpec(
    name="KLEVER_DEAD", subjects=(subjects.every("dead"),), max_age=timedelta(days=90), readers=("operators",)
)
LOGS = StreamSpec(
    name="KLEVER_LOGS", subjects=(subjects.every("log"),), max_age=timedelta(days=7), readers=("gateway",)
)
STREAMS = (MODELS, JOBS, SERVINGS, DEAD, LOGS)

COUNTED_BY_JOBS = 1_000_000
"""Deliveries of a request for a job: the job counts its own attempts, and one that waits for a place, or for space on
the disk, may be delivered any number of times."""

JOBRUNNER_EXTRACT = ConsumerSpec(
    durable="jobrunner-extract",
    stream=MODELS.name,
    subject=subjects.every("model", "pushed"),
    max_deliveries=COUNTED_BY_JOBS,
)
JOBRUNNER_EXTRACT_REQUESTED = ConsumerSpec(
    durable="jobrunner-extract-requested",
    stream=JOBS.name,
    subject=subjects.every("job", "requested", "extract"),
    max_deliveries=COUNTED_BY_JOBS,
)
JOBRUNNER_SCAN_REQUESTED = ConsumerSpec(
    durable="jobrunner-scan-requested",
    stream=JOBS.name,
    subject=subjects.every("job", "requested", "scan"),
    max_deliveries=COUNTED_BY_JOBS,
)
JOBRUNNER_CONVERT_REQUESTED = ConsumerSpec(
    durable="jobrunner-convert-requested",
    stream=JOBS.name,
    subject=subjects.every("job", "requested", "convert"),
    concurrency=256,  # most of them only wait for a place, so that projects can take turns
    max_deliveries=COUNTED_BY_JOBS,
)
JOBRUNNER_REQUESTED = (JOBRUNNER_EXTRACT_REQUESTED, JOBRUNNER_SCAN_REQUESTED, JOBRUNNER_CONVERT_REQUESTED)
"""A consumer for each kind of job, so that no kind waits behind another."""
JOBRUNNER_CANCEL = ConsumerSpec(
    durable="jobrunner-cancel", stream=JOBS.name, subject=subjects.every("job", "cancelrequested")
)
JOBRUNNER_DELETE = ConsumerSpec(
    durable="jobrunner-delete", stream=JOBS.name, subject=subjects.every("job", "deleterequested")
)
JOBRUNNER_POLICIES = ConsumerSpec(
    durable="jobrunner-policies", stream=MODELS.name, subject=subjects.every("model", "updated")
)
REGISTRY_COMPLETED = ConsumerSpec(
    durable="registry-completed", stream=JOBS.name, subject=subjects.every("job", "completed")
)
REGISTRY_FAILED = ConsumerSpec(durable="registry-failed", stream=JOBS.name, subject=subjects.every("job", "failed"))
REGISTRY_POLICIES = ConsumerSpec(
    durable="registry-policies", stream=MODELS.name, subject=subjects.every("project", "policyrequested")
)
REGISTRY_DELETE = ConsumerSpec(
    durable="registry-delete", stream=MODELS.name, subject=subjects.every("model", "deleterequested")
)
DEPLOYER_REQUESTED = ConsumerSpec(
    durable="deployer-requested", stream=SERVINGS.name, subject=subjects.every("serving", "requested")
)
DEPLOYER_ROLLOUT = ConsumerSpec(
    durable="deployer-rollout", stream=SERVINGS.name, subject=subjects.every("serving", "rolloutrequested")
)
DEPLOYER_DELETE = ConsumerSpec(
    durable="deployer-delete", stream=SERVINGS.name, subject=subjects.every("serving", "deleterequested")
)
DEPLOYER_UPDATED = ConsumerSpec(
    durable="deployer-updated", stream=MODELS.name, subject=subjects.every("model", "updated")
)
CONSUMERS = (
    JOBRUNNER_EXTRACT,
    *JOBRUNNER_REQUESTED,
    JOBRUNNER_CANCEL,
    JOBRUNNER_DELETE,
    JOBRUNNER_POLICIES,
    REGISTRY_COMPLETED,
    REGISTRY_FAILED,
    REGISTRY_POLICIES,
    REGISTRY_DELETE,
    DEPLOYER_REQUESTED,
    DEPLOYER_ROLLOUT,
    DEPLOYER_DELETE,
    DEPLOYER_UPDATED,
)

MODELS_BUCKET = BucketSpec(name="klever-models", owner="registry", readers=("jobrunner", "deployer", "gateway"))
PROJECTS_BUCKET = BucketSpec(name="klever-projects", owner="registry", readers=("jobrunner", "deployer", "gateway"))
JOBS_BUCKET = BucketSpec(name="klever-jobs", owner="jobrunner", readers=("deployer", "gateway"))
SERVINGS_BUCKET = BucketSpec(name="klever-servings", owner="deployer", readers=("registry", "gateway"))
BUCKETS = (MODELS_BUCKET, PROJECTS_BUCKET, JOBS_BUCKET, SERVINGS_BUCKET)

TOPOLOGY = "topology"
"""The service that creates streams, buckets and consumers, and notes how far each consumer has come."""
POSITIONS_BUCKET = BucketSpec(name="klever-positions", owner=TOPOLOGY)

LEASES_BUCKET = BucketSpec(name="klever-leases", owner=TOPOLOGY)
"""One record for each lease; a service may write the one that has its name."""
LEASE_HOLDERS = ("registry", "deployer")
"""Services of which only one replica at a time does some of the work."""
