"""The expressions that the ingress supports."""

import pytest

from kleverkit.expressions import MAX_PROGRAM, expression_mistake, expression_mistakes
from kleverproto.serving_specs import ServingSpec


@pytest.mark.parametrize(
    "pattern",
    [
        r"a\Z",
        "a{1001}",
        "(?=a)",
        "(?!a)",
        r"(a)\1",
        "a++",
        "(?>a)",
        "(?x)a",
        "(",
        "[z-a]",
        "(?(1)a|b)",
        r"\pQ",
        "*",
        r"\x{10ffff}",
    ],
)
def test_syntax_that_re2_does_not_support_is_refused_with_the_reason(pattern: str) -> None:
    assert (expression_mistake(pattern) or "").startswith("the ingress takes the syntax of RE2: ")


def test_an_expression_that_expands_over_the_limit_of_the_ingress_is_refused() -> None:
    assert f"the ingress takes {MAX_PROGRAM}" in (expression_mistake("(a{30}){30}|(b{30}){30}") or "")


@pytest.mark.parametrize("pattern", ["eu|us", "(?i)beta-.*", r"\d{3}-[a-z]+", r"a\z", "(?P<name>x)", "a" * 900])
def test_an_expression_that_the_ingress_accepts_is_valid(pattern: str) -> None:
    assert expression_mistake(pattern) is None


def test_an_error_names_its_position() -> None:
    rules = [{"headers": {"a": {"exact": "x"}, "b": {"regex": "("}}, "variant": "v1"}]
    variants = [{"name": "v1", "model": "library/iris:v1"}]
    spec = ServingSpec.model_validate({"variants": variants, "traffic": {"weights": {"v1": 100}, "rules": rules}})
    assert [place for place, _ in expression_mistakes(spec)] == ["spec.traffic.rules.0.headers.b.regex"]
