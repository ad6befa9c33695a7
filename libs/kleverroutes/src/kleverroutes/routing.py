"""The distribution of a serving's requests over its versions."""

import re
from dataclasses import dataclass, field, replace

from kleverproto.percents import apportion
from kleverproto.serving_specs import ServingSpec
from kleverproto.strategies import BlueGreen, Canary
from kleverproto.traffic import Cookie, HeaderMatch, HeaderRule, Mirror, Retries, Sticky, Timeouts

from .paths import path_prefix
from .versions import Deployment, ServingName, VersionKey

WHOLE = 100
"""Percent."""


@dataclass(frozen=True)
class RoutedVersion:
    """A version that requests are routed to. The backend knows the addresses of its replicas."""

    key: VersionKey
    can_be_idle: bool = False
    """True if the version may have no replicas; requests then wait until the backend has started one."""
    custom: bool = False
    """True for a custom server, whose paths are not known."""


@dataclass(frozen=True)
class Share:
    """A part of requests; only its proportion to the other shares counts."""

    version: VersionKey
    weight: int


@dataclass(frozen=True, order=True)
class HeaderCondition:
    """A header that a request must have."""

    name: str
    match: HeaderMatch = field(compare=False)


@dataclass(frozen=True)
class Rule:
    """The shares of requests that meet all conditions."""

    conditions: tuple[HeaderCondition, ...]
    shares: tuple[Share, ...]


@dataclass(frozen=True)
class Mirroring:
    """A version that receives a copy of a percentage of the requests."""

    version: VersionKey
    percent: float


@dataclass(frozen=True)
class ServingRoute:
    """The route of a serving: its versions, their shares, and the rules."""

    serving: ServingName
    versions: tuple[RoutedVersion, ...]
    shares: tuple[Share, ...]
    rules: tuple[Rule, ...] = ()
    mirror: Mirroring | None = None
    sticky: Sticky | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    retries: Retries = field(default_factory=Retries)

    @property
    def is_custom(self) -> bool:
        """True if all versions are custom servers."""
        return all(version.custom for version in self.versions)


@dataclass(frozen=True)
class Stage:
    """The state of a serving during a rollout from one spec to another; without a rollout, both are the same."""

    serving: ServingName
    spec: ServingSpec
    """The requested spec; its rules, mirror, timeouts and retries apply."""
    wanted: tuple[Deployment, ...]
    stable: tuple[Deployment, ...] = ()
    """The versions of the old spec, which serve the rest of the traffic."""
    stable_spec: ServingSpec | None = None
    percent: int = WHOLE
    """Percentage of the traffic for the requested spec."""

    @property
    def running(self) -> tuple[Deployment, ...]:
        """All versions that must run, each with the larger number of replicas of the old and the new spec."""
        by_version: dict[VersionKey, Deployment] = {}
        for each in (*self.stable, *self.wanted):
            known = by_version.get(each.key(self.serving))
            by_version[each.key(self.serving)] = each if known is None else _larger(known, each)
        return tuple(by_version.values())

    @property
    def held(self) -> tuple[Deployment, ...]:
        """The requested versions; one that already serves keeps at least its present number of replicas."""
        wanted = {each.key(self.serving) for each in self.wanted}
        return tuple(each for each in self.running if each.key(self.serving) in wanted)


def _larger(old: Deployment, new: Deployment) -> Deployment:
    return replace(new, replicas=max(old.replicas, new.replicas))


def route(stage: Stage) -> ServingRoute:
    """The route of a serving at a stage."""
    traffic, shares = stage.spec.traffic, _weighted(stage)
    rules = tuple(Rule(_conditions(rule), _only(stage, rule.variant)) for rule in traffic.rules)
    return ServingRoute(
        serving=stage.serving,
        versions=tuple(
            RoutedVersion(each.key(stage.serving), each.can_be_idle, custom=each.variant.custom is not None)
            for each in stage.running
        ),
        shares=shares,
        rules=(*_preview(stage), *rules, *cookie_rules(traffic.sticky, shares)),
        mirror=_mirroring(stage, traffic.mirror),
        sticky=traffic.sticky,
        timeouts=stage.spec.timeouts,
        retries=stage.spec.retries,
    )


def rollout_routes(stage: Stage) -> tuple[ServingRoute, ...]:
    """The different routes from the first stage of a rollout to the last one."""
    strategy, begins = stage.spec.strategy, 0 if stage.stable else WHOLE
    shared = strategy.steps[:1] if isinstance(strategy, Canary) and stage.stable else ()
    return tuple(route(replace(stage, percent=percent)) for percent in dict.fromkeys((begins, *shared, WHOLE)))


def successor(version: VersionKey, route: ServingRoute) -> VersionKey | None:
    """The version that takes over the requests of a version of an earlier route.

    The version itself if the route contains it; otherwise the revision of the same variant with the largest weight; if
    the variant was removed, the version with the largest weight. None if the route has no versions.
    """
    keys = [each.key for each in route.versions]
    if version in keys:
        return version
    weights = {share.version: share.weight for share in route.shares}
    alike = [key for key in keys if key.variant == version.variant]
    return max(alike or keys, key=lambda key: weights.get(key, 0), default=None)


def percents(stage: Stage) -> dict[VersionKey, int]:
    """The whole percentages of the traffic by version, not counting rules; the sum is 100."""
    weights = {share.version: share.weight for share in _weighted(stage)}
    return {each.key(stage.serving): 0 for each in stage.running} | apportion(WHOLE, weights)


def variant_percents(stage: Stage) -> dict[str, int]:
    """The whole percentages of the traffic by variant; revisions of a variant are added."""
    shares: dict[str, int] = {}
    for key, percent in percents(stage).items():
        shares[key.variant] = shares.get(key.variant, 0) + percent
    return shares


def cookie_rules(sticky: Sticky | None, shares: tuple[Share, ...]) -> tuple[Rule, ...]:
    """Rules that keep clients on the version that their cookie names, while it has a share."""
    if sticky is None or sticky.cookie is None:
        return ()
    return tuple(
        Rule((HeaderCondition("cookie", _has_cookie(f"{sticky.cookie.name}={share.version.token}")),), (share,))
        for share in shares
        if share.weight
    )


def set_cookie(cookie: Cookie, version: VersionKey) -> str:
    """The value of `Set-Cookie` in responses of a version, which `cookie_rules` matches in later requests."""
    age = f"; Max-Age={cookie.ttl_seconds}" if cookie.ttl_seconds else ""
    return f"{cookie.name}={version.token}; Path={path_prefix(version.serving)}{age}; HttpOnly"


def _weighted(stage: Stage) -> tuple[Share, ...]:
    """The weights of both specs, in proportion to their percentages; the sum is 10,000."""
    weights: dict[VersionKey, int] = {}
    parts = [(stage.wanted, stage.spec, stage.percent)]
    if stage.percent < WHOLE and stage.stable_spec is not None:
        parts.append((stage.stable, stage.stable_spec, WHOLE - stage.percent))
    for deployments, spec, percent in parts:
        for each in deployments:
            key = each.key(stage.serving)
            weights[key] = weights.get(key, 0) + spec.traffic.weights.get(each.variant.name, 0) * percent
    return tuple(Share(key, weight) for key, weight in weights.items())


def _conditions(rule: HeaderRule) -> tuple[HeaderCondition, ...]:
    return tuple(HeaderCondition(name, match) for name, match in sorted(rule.headers.items()))


def _only(stage: Stage, variant: str) -> tuple[Share, ...]:
    """Shares for one variant only; during a rollout, divided between its old and new version."""
    new = [each.key(stage.serving) for each in stage.wanted if each.variant.name == variant]
    old = [each.key(stage.serving) for each in stage.stable if each.variant.name == variant]
    if stage.percent == WHOLE or not old or old == new:
        return tuple(Share(key, WHOLE) for key in new)
    return (*(Share(key, stage.percent) for key in new), *(Share(key, WHOLE - stage.percent) for key in old))


def _preview(stage: Stage) -> tuple[Rule, ...]:
    """The rule by which a header reaches a waiting blue-green version."""
    strategy = stage.spec.strategy
    if not isinstance(strategy, BlueGreen) or stage.percent == WHOLE:
        return ()
    shares = tuple(
        Share(each.key(stage.serving), stage.spec.traffic.weights.get(each.variant.name, 0)) for each in stage.wanted
    )
    return (Rule((HeaderCondition(strategy.preview_header, HeaderMatch(exact="true")),), shares),)


def _has_cookie(cookie: str) -> HeaderMatch:
    return HeaderMatch(regex=rf"(?:.*; ?)?{re.escape(cookie)}(?:;.*)?")


def _mirroring(stage: Stage, mirror: Mirror | None) -> Mirroring | None:
    if mirror is None:
        return None
    mirrored = next(each for each in stage.wanted if each.variant.name == mirror.variant)
    return Mirroring(mirrored.key(stage.serving), mirror.percent)
