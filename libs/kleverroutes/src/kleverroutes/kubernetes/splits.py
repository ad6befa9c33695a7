"""The parts of a route that each data plane renders in its own way: requests, and the versions that get them."""

from collections.abc import Iterable
from dataclasses import dataclass

from kleverproto.percents import apportion
from kleverroutes.routing import WHOLE, HeaderCondition, ServingRoute, Share
from kleverroutes.versions import VersionKey

from .services import Services, VersionService

WEIGHTS = "weights"
"""The name of the split that applies if no rule does."""
GRPC_HEADERS = ("namespace", "seldon")
"""Name the serving of a gRPC call, as with Seldon Core: the path of a call has no room for a name."""


@dataclass(frozen=True)
class Split:
    """Requests that meet all conditions, and the versions that share them."""

    name: str
    conditions: tuple[HeaderCondition, ...]
    percents: dict[VersionKey, int]
    """Whole percents above zero that sum to 100; empty if no version gets these requests."""


def http_splits(route: ServingRoute) -> list[Split]:
    """The rules in their order, then the weights."""
    rules = [
        Split(f"rule-{number}", rule.conditions, percents(rule.shares))
        for number, rule in enumerate(route.rules, start=1)
    ]
    return [*rules, Split(WEIGHTS, (), percents(route.shares))]


def grpc_splits(route: ServingRoute, services: Services) -> list[Split]:
    """Like `http_splits`, for the versions that support gRPC only; a split without one is left out."""
    rules = [
        Split(f"rule-{number}-grpc", rule.conditions, percents(_with_grpc(rule.shares, services)))
        for number, rule in enumerate(route.rules, start=1)
    ]
    last = Split(f"{WEIGHTS}-grpc", (), percents(_with_grpc(route.shares, services)))
    return [split for split in (*rules, last) if split.percents]


def percents(shares: Iterable[Share]) -> dict[VersionKey, int]:
    """Version to whole percents of the requests.

    Rounding never takes away all requests of a version: a version with a weight gets one percent at least.
    """
    weights = {share.version: share.weight for share in shares if share.weight}
    if not weights:
        return {}
    rounded = apportion(WHOLE, weights)
    for version in [version for version, percent in rounded.items() if not percent]:
        rounded[max(rounded, key=lambda each: rounded[each])] -= 1
        rounded[version] = 1
    return rounded


def grpc_port(service: VersionService) -> int:
    """The gRPC port of a Service. Raises ValueError if it has none."""
    if service.grpc_port is None:
        raise ValueError(f"Service {service.name} has no port for gRPC")
    return service.grpc_port


def idle_refusals(route: ServingRoute) -> list[str]:
    """A sentence for each version that may have no replica, because no proxy in a cluster holds its requests."""
    idle = [version.key.variant for version in route.versions if version.can_be_idle]
    return [
        f"variant {variant} has minReplicas 0, and nothing in the cluster holds requests until a replica is ready: "
        "set minReplicas to 1 or more"
        for variant in idle
    ]


def grpc_header_refusals(route: ServingRoute, services: Services) -> list[str]:
    """A sentence for each rule on a header that names the serving of gRPC calls; it cannot have two conditions."""
    if not any(services(version.key).grpc_port for version in route.versions):
        return []
    return [
        f"the rule on {header_names(rule.conditions)} cannot be combined with gRPC, where {condition.name} names the "
        "serving: use another header"
        for rule in route.rules
        for condition in rule.conditions
        if condition.name in GRPC_HEADERS
    ]


def header_names(conditions: tuple[HeaderCondition, ...]) -> str:
    """Return the names of a rule's headers, for messages."""
    names = " and ".join(condition.name for condition in conditions)
    return f"the header{'s' if len(conditions) > 1 else ''} {names}"


def _with_grpc(shares: Iterable[Share], services: Services) -> list[Share]:
    return [share for share in shares if services(share.version).grpc_port is not None]
