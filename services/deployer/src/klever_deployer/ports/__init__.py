"""The ports: the interfaces through which the use cases reach the outside."""

from .backend import Backend, DataPlane, LogPart, Preparation, ReplicaLogs, RequestCounts, Scaling, Workloads
from .platform import Conversions, CopyStore, ModelCatalogue, ModelRegistries, Policies, ServingCopy
from .steps import OnStep

__all__ = [
    "Backend",
    "Conversions",
    "CopyStore",
    "DataPlane",
    "LogPart",
    "ModelCatalogue",
    "ModelRegistries",
    "OnStep",
    "Policies",
    "Preparation",
    "ReplicaLogs",
    "RequestCounts",
    "Scaling",
    "ServingCopy",
    "Workloads",
]
