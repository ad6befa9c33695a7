"""Names in paths."""

from kleverproto.base import StrictWireModel
from kleverproto.references import DnsLabel, Name


class ServingName(StrictWireModel):
    """Namespace and name of a serving."""

    namespace: DnsLabel
    name: DnsLabel


class ProjectName(StrictWireModel):
    """Name of a project."""

    project: Name


class NamespaceName(StrictWireModel):
    """Name of a namespace."""

    namespace: DnsLabel
