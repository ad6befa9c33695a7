"""The containers of a job: one fetches the model, one runs the job, and one pushes the result.

They run one after the other. Only the first and the last one have the credentials of the registry, and neither loads
the model; the one that does has no credentials, and mounts nothing that the first one can still write to.
"""

from kleverproto.conversions import SAMPLES_TYPE
from modelfiles.runtimes import REPOSITORY, DirectoryLayout

from .containers import INITIALIZER, credentials, restricted
from .gpus import limits
from .images import initializer_image, runtime_image
from .job_options import JobOptions, ModelJob
from .manifest import Manifest, compact
from .registries import registry_of_pods

JOBRUNNER = f"{REPOSITORY}/klever-jobs"
"""Repository of the image with the jobrunner and the toolchains."""
SAMPLES, RUN, PUBLISH = "samples", "run", "publish"
"""Names of containers, besides that of the storage initializer."""
SOURCE_VOLUME, RESULT_VOLUME, REQUEST_VOLUME = "source", "result", "request"
SCRATCH = "/tmp"  # noqa: S108 - a volume for each container
SOURCE, RESULT, REQUEST = "/mnt/source", "/mnt/result", "/etc/klever"
MODEL, SAMPLES_FILE = f"{SOURCE}/model", f"{SOURCE}/samples.npz"
CONVERTED = f"{RESULT}/converted"
REQUEST_FILE = "request.json"
COMMAND = ("python", "-P", "-m", "klever_jobrunner.run")


def fetching(job: ModelJob, options: JobOptions) -> list[Manifest]:
    """The init containers that fetch the model, and its samples if it has any."""
    address = registry_of_pods(job.registry, options.cluster).address
    model = f"{address}/{job.model}"
    arguments = {INITIALIZER: ["pull-and-export", model, MODEL, "--target", DirectoryLayout.PLAIN.value]}
    if job.samples is not None:
        arguments[SAMPLES] = ["pull-attached", f"{address}/{job.samples}", SAMPLES_TYPE, SAMPLES_FILE]
    return [_fetching(name, each, job, options) for name, each in arguments.items()]


def running(job: ModelJob, options: JobOptions) -> Manifest:
    """The container that parses or converts the model, in the sandbox of the jobrunner, without credentials."""
    output = ["--output", CONVERTED] if job.publishes else []
    mounts = [_mount(SOURCE_VOLUME, SOURCE, read_only=True)]
    if job.publishes:
        mounts.append(_mount(RESULT_VOLUME, RESULT))
    gpus = limits(job.gpu, options.cluster, f"job {job.id}")
    command = _command(RUN, [*_request(job), *output], mounts, [], options)
    return {**command, "resources": _resources(options, gpus)}


def publishing(job: ModelJob, options: JobOptions) -> Manifest:
    """The container that pushes the result, with temporary files beside it, so that files are moved and not copied.

    Its home directory, in which clients of registries look for programs and credentials, is its own.
    """
    arguments = [*_request(job), "--converted", CONVERTED]
    mounts = [_mount(SOURCE_VOLUME, SOURCE, read_only=True), _mount(RESULT_VOLUME, RESULT)]
    return _command(PUBLISH, arguments, mounts, _login(job, options), options, temporary=RESULT)


def scratch_volume(container: str) -> str:
    """The name of the volume for temporary files of a container."""
    return f"tmp-{container}"


def _login(job: ModelJob, options: JobOptions) -> list[Manifest]:
    """The variables by which a container uses the registry."""
    plain_http = registry_of_pods(job.registry, options.cluster).plain_http
    return [*credentials(options.cluster), *([{"name": "ORMB_PLAIN_HTTP", "value": "1"}] if plain_http else [])]


def _request(job: ModelJob) -> list[str]:
    """The arguments of every command. The outcome is the last line of the stream that parsers write to as well."""
    samples = ["--samples", SAMPLES_FILE] if job.samples is not None else []
    return ["--request", f"{REQUEST}/{REQUEST_FILE}", "--result-fd", "2", "--model", MODEL, *samples]


def _fetching(name: str, arguments: list[str], job: ModelJob, options: JobOptions) -> Manifest:
    env = [*_login(job, options), *_home(), {"name": "ROOTPATH", "value": f"{SCRATCH}/ormb"}]
    return _container(
        name,
        initializer_image(options.cluster),
        [INITIALIZER],
        arguments,
        env=env,
        mounts=[_mount(SOURCE_VOLUME, SOURCE), _mount(scratch_volume(name), SCRATCH)],
        resources=_resources(options),
    )


def _command(
    name: str,
    arguments: list[str],
    mounts: list[Manifest],
    credentials: list[Manifest],
    options: JobOptions,
    *,
    temporary: str = SCRATCH,
) -> Manifest:
    settings = [{"name": key, "value": value} for key, value in sorted(options.environment.items())]
    return _container(
        name,
        runtime_image(JOBRUNNER, options.cluster),
        list(COMMAND),
        arguments,
        env=[*credentials, *settings, *_home(temporary)],
        mounts=[*mounts, _mount(REQUEST_VOLUME, REQUEST, read_only=True), _mount(scratch_volume(name), SCRATCH)],
        resources=_resources(options),
    )


def _container(  # noqa: PLR0913 - its fields
    name: str,
    image: str,
    command: list[str],
    args: list[str],
    *,
    env: list[Manifest],
    mounts: list[Manifest],
    resources: Manifest,
) -> Manifest:
    return compact(
        {
            "name": name,
            "image": image,
            "command": command,
            "args": [each.replace("$", "$$") for each in args],
            "env": env,
            "resources": resources,
            "volumeMounts": mounts,
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": restricted(),
        }
    )


def _resources(options: JobOptions, more_limits: Manifest | None = None) -> Manifest:
    """Requests and limits are equal, so that the scheduler reserves what a job may use."""
    usual = {"cpu": options.cpu, "memory": options.memory}
    return {"requests": dict(usual), "limits": {**usual, **(more_limits or {})}}


def _home(temporary: str = SCRATCH) -> list[Manifest]:
    return [{"name": "HOME", "value": SCRATCH}, {"name": "TMPDIR", "value": temporary}]


def _mount(volume: str, path: str, *, read_only: bool = False) -> Manifest:
    return {"name": volume, "mountPath": path, **({"readOnly": True} if read_only else {})}
