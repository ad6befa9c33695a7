"""Variants of a serving. Part of the serving document."""

import re
from enum import StrEnum
from typing import Annotated, Literal, Self, TypedDict, Unpack

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from .base import StrictWireModel
from .quantities import bytes_of, cores_of
from .references import Digest, DnsLabel, ModelRef

ModelReference = Annotated[
    str, StringConstraints(min_length=1, max_length=400), AfterValidator(lambda text: ModelRef.parse(text) and text)
]
WORD_PATTERN = r"^[^\x00]+$"
Word = Annotated[str, StringConstraints(pattern=WORD_PATTERN, max_length=4000)]
"""An argument or environment variable, without zero bytes, which operating systems do not pass."""
ENV_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
PATH_PATTERN = r"^/"

LOADING_CODE = (
    *("LD_", "DYLD_", "GCONV_PATH", "PATH", "HOME", "TMPDIR", "BASH_ENV", "ENV"),
    *("PYTHON", "CLASSPATH", "JAVA", "JDK_", "_JAVA", "MLSERVER_", "MLFLOW_", "TRITON_"),
)
"""Prefixes of environment variables that determine the code that programs and runtimes load."""

SECRET_NAME = re.compile(r"(?:PASSWORD|PASSWD|SECRET|API_?KEY|ACCESS_KEY|PRIVATE_KEY|_TOKEN)$", re.IGNORECASE)
"""Names of variables that contain secrets."""

EnvName = Annotated[str, StringConstraints(pattern=ENV_PATTERN, max_length=200)]
RuntimeName = Literal["kleverserve", "triton", "mlserver", "openscoring"]
CUSTOM = "custom"
"""The recorded runtime of a custom server."""


class Network(StrEnum):
    """Network access of a model server, in addition to inference requests."""

    NONE = "none"
    EGRESS = "egress"
    """All addresses by TCP and UDP, for models that call other services."""


class Gpu(StrictWireModel):
    """GPUs of one replica. A platform on one machine does not allocate GPUs and rejects the serving."""

    count: Annotated[int, Field(ge=1, le=64)] = 1
    type: Annotated[str, StringConstraints(max_length=200)] | None = None
    """Type of GPU, such as `NVIDIA-A100`; any by default."""


class Resources(StrictWireModel):
    """Limits of one replica, as Kubernetes quantities."""

    cpu: Annotated[str, AfterValidator(lambda text: cores_of(text) and text)] | None = None
    """Cores, such as `500m` or `2`."""
    memory: Annotated[str, AfterValidator(lambda text: bytes_of(text) and text)] | None = None
    """Bytes, such as `512Mi`. A replica that uses more is restarted."""
    gpu: Gpu | None = None


class Autoscaling(StrictWireModel):
    """Adapts the number of replicas to the requests in flight."""

    min_replicas: Annotated[int, Field(ge=0, le=64)] = 1
    """With 0, the last replica is stopped after a time without requests. The next request waits for a new one."""
    max_replicas: Annotated[int, Field(ge=1, le=64)]
    target_in_flight: Annotated[float, Field(gt=0)] = 4.0
    """Average number of requests in flight per replica."""
    scale_down_seconds: Annotated[float, Field(gt=0)] = 60.0
    """Time for which fewer replicas must suffice before some are stopped."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"minReplicas {self.min_replicas} is above maxReplicas {self.max_replicas}")
        return self


class Custom(StrictWireModel):
    """A custom server. It must listen on `$HOST` and `$PORT`, and finds its model in `$MODEL_DIR`."""

    command: Annotated[tuple[Word, ...], Field(max_length=100)] = ()
    """Program and arguments. `$PORT`, `$HOST`, `$MODEL_DIR` and `$MODEL_NAME` are replaced by their values."""
    image: Word | None = None
    """A container image; only on a cluster."""
    ready_path: Annotated[str, StringConstraints(pattern=PATH_PATTERN, max_length=1000)] = "/"
    """Path that responds to GET with 200 once the server is ready."""

    @model_validator(mode="after")
    def _something_to_run(self) -> Self:
        if not self.command and self.image is None:
            raise ValueError("give a command, an image, or both")
        return self


class SecretRef(StrictWireModel):
    """A reference to a secret that the operator has set. Documents do not contain its value."""

    secret: DnsLabel
    """Name of the secret in the serving's namespace."""


class VariantChanges(TypedDict, total=False):
    """Fields of Variant that can be replaced."""

    digest: Digest | None
    replicas: int
    autoscaling: Autoscaling | None


class Variant(StrictWireModel):
    """One version of a model behind the serving's URL."""

    name: DnsLabel
    model: ModelReference
    """`project/model:version`."""
    digest: Digest | None = None
    """The manifest to serve; if absent, resolved from the tag when the serving is accepted."""
    runtime: RuntimeName | None = None
    """The model server; if absent, selected by the model's format."""
    custom: Custom | None = None
    """A custom server, instead of a runtime."""
    replicas: Annotated[int, Field(ge=1, le=64)] = 1
    """Number of replicas; with autoscaling, the initial number."""
    autoscaling: Autoscaling | None = None
    resources: Resources = Resources()
    env: dict[EnvName, Word | SecretRef] = Field(default_factory=dict, max_length=100)
    """Environment variables of the model server; secrets by reference."""
    network: Network = Network.NONE
    """Network access of the model servers."""
    parameters: dict[Word, str | int | float | bool] = Field(default_factory=dict, max_length=50)
    """Options of the runtime, such as `maxBatchRows`."""

    def replace(self, **changes: Unpack[VariantChanges]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)

    @model_validator(mode="after")
    def _one_server(self) -> Self:
        if self.runtime is not None and self.custom is not None:
            raise ValueError("give a runtime or a custom server, not both")
        return self

    @model_validator(mode="after")
    def _no_secret_in_the_document(self) -> Self:
        """Reject plain secrets, which all readers of the serving could read."""
        plain = sorted(name for name, value in self.env.items() if SECRET_NAME.search(name) and isinstance(value, str))
        if plain:
            raise ValueError(
                f"env contains the value of {', '.join(plain)}, which all readers of the serving could see: store it "
                f"with `klever secrets set NAME`, and set env: {{{plain[0]}: {{secret: NAME}}}}"
            )
        return self

    @model_validator(mode="after")
    def _no_code_by_environment(self) -> Self:
        """Reject variables that would change the code of a model server: the right to deploy does not include that."""
        chosen = sorted(name for name in self.env if name.upper().startswith(LOADING_CODE))
        if chosen and self.custom is None:
            raise ValueError(
                f"env may not set {', '.join(chosen)}, which determines what code a model server loads: remove it, "
                "or use a custom server (`custom.command`)"
            )
        return self
