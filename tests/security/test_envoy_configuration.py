"""Envoy gets only valid configuration: input of users is checked first by Envoy's own rules."""

import pytest

from kleverkit.expressions import MAX_PROGRAM, expression_mistake
from kleverproto.traffic import HeaderMatch
from kleverroutes.routing import HeaderCondition, Rule, Share
from support.data_planes import Bench, Upstream, changed, route, version_key
from support.deployer import IRIS, World, spec, variant

LARGEST = "a" * (MAX_PROGRAM - 4)
TAKEN = [r"a\z", "(?i)x", r"\pL+", r"\C", "(?P<n>x)", "(?<n>x)", "[[:alpha:]]", r"\x{10ffff}", "a{1000}?b|", LARGEST]


async def test_envoy_accepts_every_accepted_expression(envoy: Bench, upstream: Upstream) -> None:
    accepted = [pattern for pattern in TAKEN if expression_mistake(pattern) is None]
    assert LARGEST in accepted
    shares = (Share(version_key("v1"), 100),)
    rules = tuple(Rule((HeaderCondition("x-user", HeaderMatch(regex=pattern)),), shares) for pattern in accepted)
    await envoy.data_plane.apply(changed(route((upstream, 100)), rules=rules))
    assert await envoy.ask() == "v1"


@pytest.mark.parametrize("pattern", [r"a\Z", "a{1001}"])
async def test_an_invalid_expression_sent_over_nats_fails_at_once_with_the_reason(pattern: str) -> None:
    world = World()
    await world.push("v1")
    wanted = spec("v1").model_dump()
    wanted["traffic"]["rules"] = [{"headers": {"x-user": {"regex": pattern}}, "variant": "v1"}]
    await world.request(type(spec("v1")).model_validate(wanted | {"variants": (variant("v1"),)}))
    await world.rollout().converge(IRIS)
    problem = (await world.document()).status.problem
    assert problem is not None
    assert (problem.code, "spec.traffic.rules.0.headers.x-user.regex" in problem.message) == (
        "invalid_expression",
        True,
    )
