"""The custom resources ModelJob and Serving of a Kubernetes cluster.

Their definitions in deploy/kubernetes/crds are generated from these models. `spec` of a Serving is `ServingSpec`.
Conditions follow the API conventions of Kubernetes and kstatus: `Ready`, and, only while they are of interest,
`Reconciling` and `Stalled`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from .base import StrictWireModel, WireModel
from .conversions import Conversion, ConversionOptions
from .formats import conversion_target, known_format
from .jobs import JobKind, JobSpec
from .references import Digest, ModelRef
from .variants import ModelReference

FormatName = Annotated[str, AfterValidator(known_format)]
"""Name of a format, in any case."""
FINALIZER = "klever.dev/platform"
"""Finalizer of resources whose serving or job must be deleted first."""
ORIGIN_LABEL = "klever.dev/origin"
PLATFORM_ORIGIN = "platform"
"""Value of ORIGIN_LABEL of a ModelJob that shows a job which was not requested by a ModelJob."""


class ConditionType(StrEnum):
    """Types of conditions."""

    SYNCED = "Synced"
    """The platform has accepted the spec, and no other client has changed it since."""
    READY = "Ready"
    """The serving responds with the spec; the job has succeeded."""
    RECONCILING = "Reconciling"
    """Work is in progress."""
    STALLED = "Stalled"
    """The spec cannot be applied without a change."""
    COMPLETE = "Complete"
    """The job has succeeded."""
    FAILED = "Failed"
    """The job has failed or was cancelled."""


class Condition(WireModel):
    """A condition, as in `metav1.Condition`."""

    type: ConditionType
    status: Annotated[str, Field(pattern="^(True|False|Unknown)$")]
    observed_generation: int = 0
    """The generation of the resource that the condition refers to."""
    last_transition_time: datetime
    """Time of the last change of `status`."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Reason in CamelCase, for programs."""
    message: Annotated[str, Field(max_length=32768)] = ""
    """The reason as a sentence."""


class ResourceStatus(WireModel):
    """The part of the status that both resources have."""

    observed_generation: int = 0
    """The generation of the resource that the platform has accepted or refused."""
    requested_generation: int = 0
    """The generation that may have been requested from the platform. It is written before the request."""
    accepted_generation: int = 0
    """The generation that the platform has accepted."""
    phase: str = ""
    message: str = ""
    """The problem, or the last step, as a sentence."""
    conditions: tuple[Condition, ...] = ()


class ModelJobExtraction(StrictWireModel):
    """Determines inputs, outputs and operators."""

    format: FormatName | None = None
    """The expected format of the model. The job is refused if the model has another one."""


class ModelJobScan(StrictWireModel):
    """Searches for code that loading the model would run."""


class FormatPair(StrictWireModel):
    """The expected format of the model, and the target format."""

    source: Annotated[FormatName, Field(alias="from")]
    """The expected format of the model. The job is refused if the model has another one."""
    to: str
    """The target format."""


class ModelJobConversion(ConversionOptions):
    """A conversion to another format: `to`, or `mmdnn` with both formats."""

    mmdnn: FormatPair | None = None
    """Both formats, as in resources of earlier releases of Klever. The name has no meaning."""
    to: str | None = None
    """The target format."""

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.mmdnn is None) == (self.to is None):
            raise ValueError("set either `to` or `mmdnn`")
        conversion_target(self.target)
        return self

    @property
    def target(self) -> str:
        """The target format, as written."""
        return self.mmdnn.to if self.mmdnn is not None else self.to or ""

    def conversion(self, result: str | None) -> Conversion:
        """Return the conversion to a result with this name."""
        options = {name: getattr(self, name) for name in ConversionOptions.model_fields}
        return Conversion(to=conversion_target(self.target), ref=ModelRef.parse(result) if result else None, **options)


class ModelJobSpec(StrictWireModel):
    """A job on a model version: exactly one of `extraction`, `scan` and `conversion`."""

    model: ModelReference
    """`project/model:version`."""
    desired_tag: ModelReference | None = None
    """Name of the result of a conversion: `project/model:version`; derived from the model by default."""
    extraction: ModelJobExtraction | None = None
    scan: ModelJobScan | None = None
    conversion: ModelJobConversion | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(each is not None for each in (self.extraction, self.scan, self.conversion)) != 1:
            raise ValueError("set exactly one of extraction, scan and conversion")
        if self.desired_tag is not None and self.conversion is None:
            raise ValueError("desiredTag requires a conversion")
        return self

    @property
    def kind(self) -> JobKind:
        """The kind of the job."""
        if self.conversion is not None:
            return JobKind.CONVERT
        return JobKind.SCAN if self.scan is not None else JobKind.EXTRACT

    @property
    def expected_format(self) -> str | None:
        """The format that the model must have; None for any."""
        if self.extraction is not None:
            return self.extraction.format
        pair = self.conversion.mmdnn if self.conversion is not None else None
        return pair.source if pair is not None else None

    def requested_conversion(self) -> Conversion | None:
        """Return the conversion; None if the job is of another kind."""
        return self.conversion.conversion(self.desired_tag) if self.conversion is not None else None


def model_job_spec(job: JobSpec) -> ModelJobSpec:
    """Return the spec of a ModelJob that shows a job."""
    conversion = job.conversion
    return ModelJobSpec(
        model=str(job.ref),
        desired_tag=str(conversion.ref) if conversion is not None and conversion.ref is not None else None,
        extraction=ModelJobExtraction() if job.kind is JobKind.EXTRACT else None,
        scan=ModelJobScan() if job.kind is JobKind.SCAN else None,
        conversion=ModelJobConversion(**conversion.model_dump(exclude={"ref"}, by_alias=False)) if conversion else None,
    )


class ModelJobPhase(StrEnum):
    """Phases of a ModelJob."""

    PENDING = "Pending"
    RUNNING = "Running"
    DELETING = "Deleting"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    """The job failed, was refused or was cancelled; the condition `Failed` has the reason."""


class ModelJobResult(WireModel):
    """The converted model."""

    ref: str
    digest: Digest
    verified: bool
    """True if the result was compared with its source."""


class ModelJobStatus(ResourceStatus):
    """The observed state of a ModelJob."""

    job: str = ""
    """Id of the job. ModelJobs for the same work have the same job."""
    digest: Digest | None = None
    """The manifest that `model` named when the job was requested."""
    attempts: int = 0
    start_time: datetime | None = None
    completion_time: datetime | None = None
    result: ModelJobResult | None = None
    """The converted model, of a conversion that succeeded."""


class ServedVariant(WireModel):
    """The observed state of a variant."""

    name: str
    model: str
    digest: Digest
    runtime: str = ""
    replicas: int = 0
    ready_replicas: int = 0
    weight: int = 0


class ServingResourceStatus(ResourceStatus):
    """The observed state of a Serving."""

    serving_generation: int = 0
    """The generation of the platform's serving document that has the accepted spec."""
    url: str | None = None
    """URL of inference requests at the ingress."""
    variants: tuple[ServedVariant, ...] = ()
