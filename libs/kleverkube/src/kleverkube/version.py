"""The version of a serving that is rendered."""

from kleverproto.base import WireModel
from kleverproto.references import Digest, DnsLabel, ModelRef
from kleverproto.variants import Variant


class ServedVersion(WireModel):
    """A variant of a serving in one revision, and the model that it serves.

    An annotation of its Deployment holds it, so that a deployer learns the served versions from the cluster alone.
    """

    namespace: DnsLabel
    serving: DnsLabel
    revision: str
    variant: Variant
    model: ModelRef
    """The model that is served: the variant's, or one that was converted from it."""
    digest: Digest
    registry: str
    """host:port of the registry."""
    format: str
    runtime: str
    """The model server, or `custom`."""
    trust: tuple[str, ...] = ()
    """Globals that the model's project trusts, as module:Name."""
    made: str = ""
    """The converted model, if any: `project/model:version@digest`."""
    unverified: str = ""
    """Reason why a converted model was not compared with its source."""

    @property
    def artifact(self) -> str:
        """The path of the model in its registry."""
        return f"{self.model.repository}@{self.digest}"

    @property
    def tag(self) -> str:
        """Version that the servers report in responses."""
        return ModelRef.parse(self.variant.model).version
