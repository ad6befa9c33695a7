"""How the requests of a serving are spread over its model servers."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pydantic import TypeAdapter

from kleverproto.percents import apportion
from kleverproto.serving_specs import ServingSpec
from kleverproto.strategies import BlueGreen
from kleverproto.traffic import HeaderMatch, Mirror, Retries, Sticky, Timeouts

from .replicas import Deployment, Endpoint, ReplicaKey, ReplicaState, ServingName, replica_keys

WHOLE = 100
"""Percent."""
NAME_PARTS = 4
"""Of a backend: namespace, serving, variant, revision."""


@dataclass(frozen=True, order=True)
class BackendKey:
    """A variant in one revision: what Envoy calls a cluster."""

    serving: ServingName
    variant: str
    revision: str

    @property
    def token(self) -> str:
        """What a cookie says of it, within its serving."""
        return f"{self.variant}.{self.revision}"

    @property
    def name(self) -> str:
        """Of the cluster."""
        return f"{self.serving}/{self.variant}/{self.revision}"

    @classmethod
    def parse(cls, name: str) -> "BackendKey | None":
        """Undo `name`; None where it is none."""
        parts = name.split("/")
        if len(parts) != NAME_PARTS:
            return None
        namespace, serving, variant, revision = parts
        return cls(ServingName(namespace, serving), variant, revision)


@dataclass(frozen=True)
class Backend:
    """A variant's model servers that take requests, or who takes them while there is none."""

    key: BackendKey
    endpoints: tuple[Endpoint, ...]
    custom: bool = False
    """Whether it is a server of the user's own, whose paths nobody else knows."""


@dataclass(frozen=True)
class Share:
    """A part of requests; only its proportion to the other shares counts."""

    backend: BackendKey
    weight: int


@dataclass(frozen=True)
class Rule:
    """Requests with all these headers are spread like this."""

    headers: tuple[tuple[str, HeaderMatch], ...]
    shares: tuple[Share, ...]


@dataclass(frozen=True)
class Mirroring:
    """A copy of so many percent of the requests goes to a backend too."""

    backend: BackendKey
    percent: float


@dataclass(frozen=True)
class ServingRoute:
    """How the requests of a serving are spread."""

    serving: ServingName
    backends: tuple[Backend, ...]
    shares: tuple[Share, ...]
    rules: tuple[Rule, ...] = ()
    mirror: Mirroring | None = None
    sticky: Sticky | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    retries: Retries = field(default_factory=Retries)

    @property
    def is_custom(self) -> bool:
        """Whether no part of it is a model server of ours."""
        return all(backend.custom for backend in self.backends)


RoutingTable = dict[ServingName, ServingRoute]


@dataclass(frozen=True)
class Stage:
    """What is there of a serving while it goes from one spec to another; without a rollout both are the same."""

    serving: ServingName
    spec: ServingSpec
    """The wanted one: its rules, mirror, timeouts and retries hold."""
    wanted: tuple[Deployment, ...]
    stable: tuple[Deployment, ...] = ()
    """What served before, and serves the rest."""
    stable_spec: ServingSpec | None = None
    percent: int = WHOLE
    """For the wanted one."""

    @property
    def running(self) -> tuple[Deployment, ...]:
        """Everything that has to run, each variant and revision once."""
        by_version = {(each.variant.name, each.revision): each for each in (*self.stable, *self.wanted)}
        return tuple(by_version.values())


def route(
    stage: Stage, states: Iterable[ReplicaState], waiting_room: Callable[[BackendKey], Endpoint] | None = None
) -> ServingRoute:
    """Where requests go: to the replicas that are ready; where none is, to those that run and are too busy to say so.

    Args:
        stage: what is there.
        states: all replicas.
        waiting_room: where requests for a variant go that may be idle and has no replica ready.
    """
    states = tuple(states)
    ready = {state.key: state.endpoint for state in states if state.ready and state.endpoint is not None}
    busy = {state.key: state.endpoint for state in states if not state.ready and state.endpoint is not None}
    backends = tuple(_backend(stage.serving, each, (ready, busy), waiting_room) for each in stage.running)
    traffic = stage.spec.traffic
    rules = tuple(
        Rule(tuple(sorted(rule.headers.items())), _only(stage, rule.variant)) for rule in stage.spec.traffic.rules
    )
    return ServingRoute(
        serving=stage.serving,
        backends=backends,
        shares=_weighted(stage),
        rules=(*_preview(stage), *rules, *_kept(traffic.sticky, _weighted(stage))),
        mirror=_mirroring(stage, traffic.mirror),
        sticky=traffic.sticky,
        timeouts=stage.spec.timeouts,
        retries=stage.spec.retries,
    )


def ready_endpoint(backend: BackendKey, states: Iterable[ReplicaState]) -> Endpoint | None:
    """A replica of a backend that takes requests.

    Raises:
        LookupError: none will: a replica of it does not start.
    """
    own = [s for s in states if BackendKey(s.key.serving, s.key.variant, s.key.revision) == backend]
    for state in own:
        if state.ready and state.endpoint is not None:
            return state.endpoint
    failures = [state.failure for state in own if state.failure]
    if failures:
        raise LookupError(f"the model server does not start: {failures[0]}")
    return None


def successor(backend: BackendKey, route: ServingRoute) -> BackendKey | None:
    """Who serves by this route what was sent to a backend by an earlier one.

    The backend itself while the route has it; else its variant in the revision with the most weight, or the variant
    with the most where its own is gone. None where the route has no backends.
    """
    known = [each.key for each in route.backends]
    if backend in known:
        return backend
    weights = {share.backend: share.weight for share in route.shares}
    alike = [key for key in known if key.variant == backend.variant]
    return max(alike or known, key=lambda key: weights.get(key, 0), default=None)


def percents(stage: Stage) -> dict[tuple[str, str], int]:
    """Variant and revision to whole percents of the traffic, rules aside; they sum to 100."""
    weights = {(share.backend.variant, share.backend.revision): share.weight for share in _weighted(stage)}
    return {(each.variant.name, each.revision): 0 for each in stage.running} | apportion(WHOLE, weights)


def variant_percents(stage: Stage) -> dict[str, int]:
    """Variant to whole percents of the traffic, its revisions together."""
    shares: dict[str, int] = {}
    for (variant, _revision), percent in percents(stage).items():
        shares[variant] = shares.get(variant, 0) + percent
    return shares


def _backend(
    serving: ServingName,
    deployment: Deployment,
    choices: Iterable[dict[ReplicaKey, Endpoint]],
    waiting_room: Callable[[BackendKey], Endpoint] | None,
) -> Backend:
    key = _key(serving, deployment)
    keys = replica_keys(serving, [deployment])
    candidates = (tuple(choice[each] for each in keys if each in choice) for choice in choices)
    endpoints = next(filter(None, candidates), ())
    if not endpoints and waiting_room is not None and deployment.can_be_idle:
        endpoints = (waiting_room(key),)
    return Backend(key, endpoints, custom=deployment.variant.custom is not None)


def _key(serving: ServingName, deployment: Deployment) -> BackendKey:
    return BackendKey(serving, deployment.variant.name, deployment.revision)


def _weighted(stage: Stage) -> tuple[Share, ...]:
    """Both specs' weights, each in its part; they sum to 10,000."""
    weights: dict[BackendKey, int] = {}
    parts = [(stage.wanted, stage.spec, stage.percent)]
    if stage.percent < WHOLE and stage.stable_spec is not None:
        parts.append((stage.stable, stage.stable_spec, WHOLE - stage.percent))
    for deployments, spec, percent in parts:
        for each in deployments:
            key = _key(stage.serving, each)
            weights[key] = weights.get(key, 0) + spec.traffic.weights.get(each.variant.name, 0) * percent
    return tuple(Share(key, weight) for key, weight in weights.items())


def _only(stage: Stage, variant: str) -> tuple[Share, ...]:
    """All to one variant: in a rollout, to its old and new version in proportion."""
    new = [_key(stage.serving, each) for each in stage.wanted if each.variant.name == variant]
    old = [_key(stage.serving, each) for each in stage.stable if each.variant.name == variant]
    if stage.percent == WHOLE or not old or old == new:
        return tuple(Share(key, WHOLE) for key in new)
    return (*(Share(key, stage.percent) for key in new), *(Share(key, WHOLE - stage.percent) for key in old))


def _preview(stage: Stage) -> tuple[Rule, ...]:
    """The way to a blue-green version that waits, by its own weights."""
    strategy = stage.spec.strategy
    if not isinstance(strategy, BlueGreen) or stage.percent == WHOLE:
        return ()
    shares = tuple(
        Share(_key(stage.serving, each), stage.spec.traffic.weights.get(each.variant.name, 0)) for each in stage.wanted
    )
    return (Rule(((strategy.preview_header, HeaderMatch(exact="true")),), shares),)


def _kept(sticky: Sticky | None, shares: tuple[Share, ...]) -> tuple[Rule, ...]:
    """Clients whose cookie names a backend come back to it, for as long as it has a share."""
    if sticky is None or sticky.cookie is None:
        return ()
    return tuple(
        Rule(
            (
                (
                    "cookie",
                    HeaderMatch(regex=rf"(?:.*; ?)?{re.escape(f'{sticky.cookie.name}={share.backend.token}')}(?:;.*)?"),
                ),
            ),
            (share,),
        )
        for share in shares
        if share.weight
    )


def _mirroring(stage: Stage, mirror: Mirror | None) -> Mirroring | None:
    if mirror is None:
        return None
    mirrored = next(each for each in stage.wanted if each.variant.name == mirror.variant)
    return Mirroring(_key(stage.serving, mirrored), mirror.percent)


_TABLE = TypeAdapter(list[ServingRoute])


def dump_table(table: RoutingTable) -> str:
    """A routing table as JSON."""
    return _TABLE.dump_json([table[serving] for serving in sorted(table)]).decode()


def load_table(text: str) -> RoutingTable:
    """Undo `dump_table`. Raises ValueError where the text is none."""
    return {route.serving: route for route in _TABLE.validate_json(text)}
