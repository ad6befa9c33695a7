"""The objects of a job: a batch/v1 Job and its network policy."""

from hashlib import sha256

from .deployments import USER
from .errors import UnsupportedOnClusterError
from .gpus import placement
from .job_containers import (
    REQUEST_FILE,
    REQUEST_VOLUME,
    RESULT_VOLUME,
    SOURCE_VOLUME,
    fetching,
    publishing,
    running,
    scratch_volume,
)
from .job_options import JobOptions, ModelJob
from .labels import MANAGED_BY, MANAGER, PLATFORM
from .manifest import Manifest, compact
from .naming import is_label_value
from .networks import DNS_PORTS
from .options import ClusterOptions
from .registries import registry_of_pods

JOB, GENERATION = "klever.dev/job", "klever.dev/generation"
"""Labels of a Job and its pods: the id of the job, and the generation of its document."""
PROJECT = "klever.dev/project"
REQUEST = "klever.dev/request"
"""Annotation of the pods with the request of the command as JSON, which their containers read as a file."""
COMPONENT = "app.kubernetes.io/component"
JOBS = "model-job"
REQUEST_BYTES = 200 * 1024
"""Largest request: all annotations of an object together are limited to 256 KiB."""
HASH_LENGTH = 20
GRACE_SECONDS = 5


def job_name(job: str, generation: int) -> str:
    """The name of the Job, and of what belongs to it."""
    digest = sha256(f"{job}/{generation}".encode()).hexdigest()[:HASH_LENGTH]
    return f"klever-job-{digest}"


def jobs_of(options: ClusterOptions) -> str:
    """The label selector of all jobs of a platform, and of their pods."""
    return f"{MANAGED_BY}={MANAGER},{PLATFORM}={options.platform},{COMPONENT}={JOBS}"


def render_job(job: ModelJob, options: JobOptions) -> Manifest:
    """Render the Job. Its attempts are Klever's, so the cluster starts one pod only.

    Raises:
        UnsupportedOnClusterError: the request is too large, the id is no value of a label, or no node can have the type
            of the GPU.
    """
    if not is_label_value(job.id):
        raise UnsupportedOnClusterError(f"the id {job.id!r} of the job cannot be a label on a cluster")
    if len(job.request.encode()) > REQUEST_BYTES:
        raise UnsupportedOnClusterError(
            f"the request has more than {REQUEST_BYTES} bytes. Attach the samples to the model (`samplesDigest`)"
        )
    annotations = {PROJECT: job.project}
    metadata = {"name": job_name(job.id, job.generation), "namespace": options.namespace}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**metadata, "labels": labels(job, options), "annotations": annotations},
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "activeDeadlineSeconds": options.deadline_seconds,
            "ttlSecondsAfterFinished": options.keep_seconds,
            "template": {
                "metadata": {"labels": labels(job, options), "annotations": {**annotations, REQUEST: job.request}},
                "spec": _pod(job, options),
            },
        },
    }


def job_network_policy(job: ModelJob, options: JobOptions, owner: Manifest) -> Manifest:
    """Render the NetworkPolicy of a job: name servers and the port of the registry are reachable, nothing else.

    A policy holds for a whole pod; the container that loads the model has no network in its sandbox either.

    Args:
        job: the job.
        options: options of the platform.
        owner: the Job as it is stored; the cluster deletes the policy with it.
    """
    metadata = owner["metadata"]
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
    port = registry_of_pods(job.registry, options.cluster).port
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": labels(job, options),
            "ownerReferences": [{**reference, "controller": True}],
        },
        "spec": {
            "podSelector": {"matchLabels": labels(job, options)},
            "policyTypes": ["Ingress", "Egress"],
            "egress": [{"ports": [*DNS_PORTS, {"protocol": "TCP", "port": port}]}],
        },
    }


def labels(job: ModelJob, options: JobOptions) -> dict[str, str]:
    """The labels of the Job, its pod and its network policy."""
    common = {COMPONENT: JOBS, MANAGED_BY: MANAGER, PLATFORM: options.cluster.platform}
    return {**common, JOB: job.id, GENERATION: str(job.generation)}


def _pod(job: ModelJob, options: JobOptions) -> Manifest:
    containers = [*fetching(job, options), running(job, options)]
    if job.publishes:
        containers.append(publishing(job, options))
    return compact(
        {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "imagePullSecrets": [{"name": name} for name in options.cluster.pull_secrets],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "initContainers": containers[:-1],
            "containers": containers[-1:],
            "volumes": _volumes(job, containers),
            **placement(job.gpu, options.cluster, f"job {job.id}"),
        }
    )


def _volumes(job: ModelJob, containers: list[Manifest]) -> list[Manifest]:
    """Each container has temporary files of its own: what the model writes there is read by no other container."""
    names = [SOURCE_VOLUME, *([RESULT_VOLUME] if job.publishes else [])]
    names += [scratch_volume(each["name"]) for each in containers]
    request = {"path": REQUEST_FILE, "fieldRef": {"fieldPath": f"metadata.annotations['{REQUEST}']"}}
    return [
        *({"name": name, "emptyDir": {}} for name in names),
        {"name": REQUEST_VOLUME, "downwardAPI": {"items": [request]}},
    ]
