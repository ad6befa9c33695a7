"""Names in paths."""

from kleverproto.base import StrictWireModel
from kleverproto.references import DnsLabel, Name


class ServingName(StrictWireModel):
    """What a serving is called."""

    namespace: DnsLabel
    name: DnsLabel


class ProjectName(StrictWireModel):
    """A project."""

    project: Name


class NamespaceName(StrictWireModel):
    """A namespace."""

    namespace: DnsLabel
