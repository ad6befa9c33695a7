"""Options of Jobs, from the settings."""

from klever_jobrunner.settings import JobrunnerSettings
from kleverkube.job_options import JobOptions

PASSED_ON = (
    *("job_timeout_seconds", "worker_memory_mb", "allow_unsandboxed"),
    *("conversion_timeout_seconds", "conversion_memory_mb", "log_level"),
)
"""Settings that the command in a pod has as well."""


def job_options(settings: JobrunnerSettings) -> JobOptions:
    """The options of all Jobs."""
    prefix = JobrunnerSettings.model_config.get("env_prefix", "")
    return JobOptions(
        cluster=settings.cluster_options(),
        namespace=settings.cluster_namespace,
        cpu=settings.cluster_cpu,
        memory=settings.cluster_memory,
        deadline_seconds=settings.cluster_deadline_seconds,
        keep_seconds=settings.cluster_keep_seconds,
        environment={f"{prefix}{name.upper()}": str(getattr(settings, name)) for name in PASSED_ON},
    )
