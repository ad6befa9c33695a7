"""Definitions of streams, consumers and buckets. `kleverkit` creates them."""

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
    """Time for which the server drops a repeated `Nats-Msg-Id`."""
    readers: tuple[str, ...] = ()
    """Readers of the whole stream with short-lived consumers: the gateway for its clients, or operators."""


@dataclass(frozen=True, kw_only=True)
class ConsumerSpec:
    """A durable pull consumer. Its name is `<service>-<purpose>`."""

    durable: str
    stream: str
    subject: str
    ack_wait: timedelta = timedelta(seconds=30)
    """Time without an acknowledgement or a progress report after which a message is redelivered."""
    concurrency: int = 8
    """Messages that one process handles at a time."""
    max_deliveries: int = 8
    """Deliveries before a message becomes a dead letter."""

    @property
    def service(self) -> str:
        """The service that handles the messages."""
        return self.durable.partition("-")[0]


@dataclass(frozen=True, kw_only=True)
class BucketSpec:
    """A KV bucket of documents. Only the owner writes to it."""

    name: str
    owner: str
    readers: tuple[str, ...] = ()
    """Other services that read the bucket."""

    @property
    def stream(self) -> str:
        """The stream of the bucket."""
        return f"KV_{self.name}"

    @property
    def subjects(self) -> str:
        """The filter for the subjects of all keys."""
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
"""Maximum deliveries of a request for a job: practically unlimited, because a waiting job is redelivered often, and
jobs count their attempts themselves."""

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
    concurrency=256,  # most of them wait for a free slot, so that projects can take turns
    max_deliveries=COUNTED_BY_JOBS,
)
JOBRUNNER_REQUESTED = (JOBRUNNER_EXTRACT_REQUESTED, JOBRUNNER_SCAN_REQUESTED, JOBRUNNER_CONVERT_REQUESTED)
"""One consumer for each kind of job, so that no kind blocks another."""
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
"""The service that creates streams, buckets and consumers, and records the progress of each consumer."""
POSITIONS_BUCKET = BucketSpec(name="klever-positions", owner=TOPOLOGY)

LEASES_BUCKET = BucketSpec(name="klever-leases", owner=TOPOLOGY)
"""One record for each lease. A service may write only the record with its name."""
LEASE_HOLDERS = ("registry", "deployer", "gateway")
"""Services with work that only one replica may do at a time."""
